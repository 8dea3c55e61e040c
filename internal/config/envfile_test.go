package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func secrets(pairs ...string) map[string]Secret {
	m := map[string]Secret{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = NewSecret(pairs[i+1])
	}
	return m
}

// assignments reads a file back, and fails on a line that cannot be read.
func assignments(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, bad := ParseDotenv(data)
	if len(bad) > 0 {
		t.Fatalf("%v in\n%s", bad, data)
	}
	m := map[string]string{}
	for _, l := range lines {
		m[l.Name] = l.Value.Reveal()
	}
	return m
}

func openEnvFile(t *testing.T, path string, wantNew bool) *EnvFile {
	t.Helper()
	f, isNew, err := OpenEnvFile(path)
	if err != nil || isNew != wantNew {
		t.Fatalf("new %v, %v", isNew, err)
	}
	return f
}

func TestEnvFileNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "grantd.env")
	f := openEnvFile(t, path, true)
	if _, err := os.Stat(path); err == nil {
		t.Fatal("a file was made by looking")
	}
	if err := f.Add(secrets("MGMT_DOMAIN", "acme.eu.auth0.com", "TOOL_SCOPES", "notes:read notes:write")); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(secrets("MGMT_CLIENT_ID", "abc", "MGMT_CLIENT_SECRET", "it's $a \"secret\" #1")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"MGMT_DOMAIN": "acme.eu.auth0.com", "TOOL_SCOPES": "notes:read notes:write",
		"MGMT_CLIENT_ID": "abc", "MGMT_CLIENT_SECRET": "it's $a \"secret\" #1",
	}
	if diff := cmp.Diff(want, assignments(t, path)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// In the order of the example, with its comments.
	data, _ := os.ReadFile(path)
	at := -1
	for _, v := range Variables() {
		if v.Group == groupSetup {
			if strings.Contains(string(data), v.Name) {
				t.Errorf("%s has no place in it", v.Name)
			}
			continue
		}
		next := max(strings.Index(string(data), "\n"+v.Name+"="), strings.Index(string(data), "\n#"+v.Name+"="))
		if next <= at {
			t.Errorf("%s is not in its place", v.Name)
		}
		at = next
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// A file that somebody makes between the look and the writing stays as it is.
func TestEnvFileNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.env")
	f := openEnvFile(t, path, true)
	f.written = nil
	if err := os.WriteFile(path, []byte("OAUTH_AUDIENCE=mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.write(secrets("OAUTH_AUDIENCE", "ours"), os.Link); err == nil || !strings.Contains(err.Error(), "exist") {
		t.Errorf("got %v", err)
	}
	if got := assignments(t, path)["OAUTH_AUDIENCE"]; got != "mine" {
		t.Errorf("overwritten: %s", got)
	}
	// One that was made by us and edited since is added to, and keeps the edit.
	path = filepath.Join(t.TempDir(), "grantd.env")
	f = openEnvFile(t, path, true)
	if err := f.Add(secrets("OAUTH_AUDIENCE", "ours")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("OAUTH_AUDIENCE=edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Add(secrets("MGMT_CLIENT_ID", "abc")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"OAUTH_AUDIENCE": "edited", "MGMT_CLIENT_ID": "abc"}
	if diff := cmp.Diff(want, assignments(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestEnvFileAdded(t *testing.T) {
	const before = "# mine\nMGMT_DOMAIN=acme.eu.auth0.com" // no line end
	path := filepath.Join(t.TempDir(), "grantd.env")
	if err := os.WriteFile(path, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	f := openEnvFile(t, path, false)
	if err := f.Add(secrets("LOG_WEBHOOK_SECRET", "generated", "OAUTH_AUDIENCE", "https://x/")); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	if want := before + "\n\n# Added by grantd setup.\nOAUTH_AUDIENCE=https://x/\nLOG_WEBHOOK_SECRET=generated\n"; string(data) != want {
		t.Errorf("got %q", data)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
}

// The example, filled in by adding to it, is read without a notice: what was
// empty is not set twice.
func TestEnvFileAddedToExample(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.env")
	var b strings.Builder
	if err := WriteEnvExample(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f := openEnvFile(t, path, false)
	err := f.Add(secrets("MGMT_DOMAIN", "acme.eu.auth0.com", "MGMT_CLIENT_ID", "abc", "MGMT_CLIENT_SECRET", "a secret",
		"OAUTH_AUDIENCE", "https://x/", "TOOL_SCOPES", "a b", "LOG_WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	c, notices, err := Load(Source{Environ: []string{"HOME=/h"}, EnvFile: path})
	if err != nil || len(notices) > 0 {
		t.Fatalf("%v, %v", err, notices)
	}
	if c.Domain != "acme.eu.auth0.com" || c.ClientSecret.Reveal() != "a secret" || len(c.ToolScopes) != 2 {
		t.Errorf("%+v", c.Redacted())
	}
}

// What came from the environment can be kept, but for what is setup's alone.
func TestFromEnvironment(t *testing.T) {
	c, _, err := LoadOnly(Source{Environ: []string{
		"MGMT_DOMAIN=ACME.eu.auth0.com", "MGMT_CLIENT_SECRET=s", "GRANTD_SETUP_TOKEN=t", "TOOL_SCOPES=b a", "PATH=/bin",
	}}, "MGMT_DOMAIN", "MGMT_CLIENT_SECRET", "GRANTD_SETUP_TOKEN", "TOOL_SCOPES", "GRANTD_ALLOWED_CLIENTS")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, v := range c.FromEnvironment() {
		got[name] = v.Reveal()
	}
	want := map[string]string{"MGMT_DOMAIN": "acme.eu.auth0.com", "MGMT_CLIENT_SECRET": "s", "TOOL_SCOPES": "a,b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEnvFileRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := OpenEnvFile(filepath.Join(dir, "no", "grantd.env")); err == nil || !strings.Contains(err.Error(), "make it first") {
		t.Errorf("no folder: %v", err)
	}
	if _, _, err := OpenEnvFile(dir); err == nil {
		t.Error("a folder")
	}
	// No secret goes into a file that everybody can read.
	open := filepath.Join(dir, "open.env")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
	f := openEnvFile(t, open, false)
	err := f.Add(secrets("MGMT_CLIENT_SECRET", "not for all"))
	if err == nil || strings.Contains(err.Error(), "not for all") {
		t.Errorf("got %v", err)
	}
	if data, _ := os.ReadFile(open); len(data) > 0 {
		t.Errorf("written: %q", data)
	}
	err = f.Add(secrets("MGMT_CLIENT_SECRET", "two\nlines"))
	if err == nil || strings.Contains(err.Error(), "two") {
		t.Errorf("got %v", err)
	}
}

func FuzzEnvLine(f *testing.F) {
	for _, s := range []string{"", "a", " a ", "a b", "it's", `a"b\`, "a#b", "a #b", "$x`y`", `'"\`, "ä", "\\", "a\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		line, err := envLine("NAME", value)
		if err != nil {
			if utf8.ValidString(value) && !strings.ContainsFunc(value, isControl) {
				t.Fatalf("refused %q: %v", value, err)
			}
			return
		}
		all, bad := ParseDotenv([]byte(line + "\n"))
		if len(bad) > 0 || len(all) != 1 || all[0].Name != "NAME" || all[0].Value.Reveal() != value {
			t.Fatalf("%q became %q: %v %v", value, line, all, bad)
		}
	})
}
