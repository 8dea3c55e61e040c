package config_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"grantd/internal/config"
)

// guarded are the secrets that are held against the wordings of examples.
func guarded(secret string) [][]string {
	return [][]string{
		append(without(good(), "LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET="+secret),
		append(without(good(), "LOG_WEBHOOK_SECRET"), "WEBHOOK_SHARED_SECRET="+secret),
		good("LOG_WEBHOOK_SECRET_PREVIOUS=" + secret),
		good("GRANTD_ADMIN_LISTEN=0.0.0.0:8081", "GRANTD_ADMIN_TOKEN="+secret),
	}
}

func TestExampleSecretsAreRefused(t *testing.T) {
	for _, secret := range []string{
		"changeme-changeme", "please-change-me-now", "CHANGE_ME_CHANGE_ME", "change-this-secret", "change this please", "changeit-changeit", "ChangeMePlease2026",
		"replace-me-0123456789", "replace_this_value", "replace-with-a-secret", "REPLACE-WITH-RANDOM",
		"your-secret-goes-here", "your-webhook-secret", "your_webhook_secret_here", "YOUR_LOG_WEBHOOK_SECRET", "yourwebhooksecret", "put-your-secret-here",
		"example-webhook-secret", "this.is.an.Example", "secret.example.com",
		"some-placeholder-text", "a place holder text", "insert-secret-here", "INSERT_WEBHOOK_SECRET", "paste-the-secret-here",
		"todo-set-a-secret", "secret: TODO later", "FIXME-webhook-secret", "xxxxxxxxxxxxxxxx", "xxxx-xxxx-xxxx-xxxx", "secret-XXXXXXXXXX",
		"password12345678", "pass-word-pass-word", "MyPassWord0123456",
		"<the webhook secret>", "<WEBHOOK-SECRET-1>", "abcdefghijklmnop...", "abcdefghijklmnop…",
		"${WEBHOOK_SECRET_1}", "$(openssl rand -hex 32)", "`openssl rand -hex 32`", "openssl rand -hex 32", "{{ webhook_secret }}", "%WEBHOOK_SECRET_VALUE%",
		"aaaaaaaaaaaaaaaa", "0000000000000000", "abababababababab", "abcabcabcabcabcabc", "----------------",
	} {
		for _, env := range guarded(secret) {
			lines := failures(t, env, nil)
			if len(lines) != 1 || !strings.Contains(lines[0], "openssl rand -hex 32") || !strings.Contains(lines[0], "looks like an example") && !strings.Contains(lines[0], "repeats itself") {
				t.Errorf("%q: %q", secret, lines)
			}
			shown := strings.ReplaceAll(strings.Join(lines, "\n"), "openssl rand -hex 32", "")
			if strings.Contains(shown, secret) {
				t.Errorf("%q is shown: %q", secret, lines)
			}
		}
	}
}

func TestPlausibleSecretsAreTaken(t *testing.T) {
	for _, secret := range []string{
		"test-webhook-secret-0123456789", "0123456789abcdef", "e2e-webhook-secret-41d7", "the-webhook-secret-0123", "a-webhook-secret-of-the-tests",
		"3f0c9a5e7d1b2846aa55cc7709e1d2f3", "550e8400-e29b-41d4-a716-446655440000", "q83vEjRWeJCrze8SNFZ4kA==", "Zm9vYmFyYmF6cXV4-_Zm9vYmFy",
		"correct horse battery staple", "dev-secret-for-my-laptop", "unchanged-mechanism-17", "exchangemechanism", "mastodonkey-mastodon", "yourself-and-1-others",
		"insertion-sort-is-slow", "irreplaceable-thing", "a.b..c.d..e.f..g.h", "p<q and r>s, t<u>v", "xxx-yyy-zzz-0-1-2", "Tr0ub4dor&3-Tr0ub4dor",
		"pa$$-w0rd-with-symbols", "$ecret-with-a-dollar-1", "contodomundo-1234", "input-output-throughput", "12345678901234567890",
	} {
		for _, env := range guarded(secret) {
			load(t, env, nil)
		}
	}
}

// What people make secrets with makes none that is refused.
func TestGeneratedSecretsAreTaken(t *testing.T) {
	const rounds = 300
	random := make([]byte, 32)
	for range rounds {
		if _, err := rand.Read(random); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{
			hex.EncodeToString(random), base64.StdEncoding.EncodeToString(random), base64.RawURLEncoding.EncodeToString(random),
			fmt.Sprintf("%x-%x-%x-%x-%x", random[:4], random[4:6], random[6:8], random[8:10], random[10:16]), hex.EncodeToString(random[:8]),
		} {
			load(t, append(without(good(), "LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET="+secret), nil)
		}
	}
}

// No value that our own documents show for a secret is one.
func TestDocumentedValuesAreNoSecrets(t *testing.T) {
	root := filepath.Join("..", "..")
	var files []string
	for _, glob := range []string{"*.md", "docs/*.md", "configs/*"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(glob)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	assigned := regexp.MustCompile(`(?:LOG_WEBHOOK_SECRET|WEBHOOK_SHARED_SECRET|LOG_WEBHOOK_SECRET_PREVIOUS|GRANTD_ADMIN_TOKEN)=("[^"\n]*"|'[^'\n]*'|\$\([^)\n]*\)|[^\s;` + "`" + `"']*)`)
	texts := map[string]bool{}
	for _, v := range config.Variables() {
		if v.Secret {
			texts[v.Example], texts[v.Default] = true, true
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range assigned.FindAllSubmatch(raw, -1) {
			texts[strings.Trim(string(m[1]), `"'`)] = true
		}
	}
	delete(texts, "")
	if len(texts) == 0 || len(files) < 5 {
		t.Fatalf("%d values in %d files: the search finds nothing", len(texts), len(files))
	}
	for text := range texts {
		failures(t, append(without(good(), "LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET="+text), nil)
	}
}

// Where only this machine can ask, a short admin token does.
func TestAdminTokenOnLoopback(t *testing.T) {
	load(t, good("GRANTD_ADMIN_TOKEN=changeme"), nil)
	load(t, good("GRANTD_ADMIN_TOKEN=changeme", "GRANTD_ADMIN_LISTEN=off"), nil)
	lines := failures(t, good("GRANTD_ADMIN_TOKEN=short", "GRANTD_ADMIN_LISTEN=0.0.0.0:1"), disk{})
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "GRANTD_ADMIN_TOKEN: has 5 bytes") {
		t.Errorf("%q", lines)
	}
}

// All weak secrets are reported at once.
func TestWeakSecretsAtOnce(t *testing.T) {
	lines := failures(t, append(without(good("GRANTD_ADMIN_LISTEN=:81", "GRANTD_ADMIN_TOKEN=0123", "LOG_WEBHOOK_SECRET_PREVIOUS=changeme-changeme"),
		"LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET=tooshort"), nil)
	if len(lines) != 3 {
		t.Errorf("%q", lines)
	}
}

// FuzzWebhookSecret: what is taken has 16 bytes and 4 different ones, and what
// is refused is not shown.
func FuzzWebhookSecret(f *testing.F) {
	for _, seed := range []string{"changeme", "0123456789abcdef", "<>", "…", "$(x)", strings.Repeat("x", 70), "todo\x00", "\xff\xfe your_"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const marker = "hunter2"
		secret := marker + text
		_, _, err := config.Load(config.Source{Environ: append(without(good(), "LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET="+secret), ReadFile: disk{}.read})
		if err != nil && strings.Contains(err.Error(), marker) {
			t.Errorf("%q is shown: %v", secret, err)
		}
		if text == "" {
			return
		}
		_, _, err = config.Load(config.Source{Environ: append(without(good(), "LOG_WEBHOOK_SECRET"), "LOG_WEBHOOK_SECRET="+text), ReadFile: disk{}.read})
		different := map[byte]bool{}
		for _, b := range []byte(text) {
			different[b] = true
		}
		if err == nil && (len(text) < 16 || len(different) < 4 || strings.Contains(strings.ToLower(text), "changeme-")) {
			t.Errorf("%q is taken", text)
		}
	})
}
