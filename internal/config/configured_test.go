package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"grantd/internal/config"
)

// What installs grantd starts it when it is configured, and reads the env file in
// a shell: it takes for configured what grantd does.
func TestScriptsReadTheEnvFile(t *testing.T) {
	root := filepath.Join("..", "..")
	functions := regexp.MustCompile(`(?m)^(setting\(\) \{\n(?s:.*?)^\}|configured\(\) .*)$`)
	file := filepath.Join(t.TempDir(), "grantd.env")
	for script, shell := range map[string]string{"scripts/install.sh": "bash", "packaging/deb/postinst": "sh", "packaging/rpm/post": "sh"} {
		source, err := os.ReadFile(filepath.Join(root, script))
		if err != nil {
			t.Fatal(err)
		}
		program := "env_file=$1\n"
		for _, f := range functions.FindAll(source, -1) {
			program += string(f) + "\n"
		}
		for _, content := range []string{
			"", "MGMT_DOMAIN=", "MGMT_DOMAIN= # comment", "MGMT_DOMAIN=\t#comment\r", "MGMT_DOMAIN=\r", `MGMT_DOMAIN=""`,
			"MGMT_DOMAIN='' # comment", "#MGMT_DOMAIN=acme.eu.auth0.com", "; MGMT_DOMAIN=acme.eu.auth0.com", "OTHER_MGMT_DOMAIN=x",
			"export MGMT_DOMAIN=", "MGMT_DOMAIN=acme.eu.auth0.com", "MGMT_DOMAIN=acme.eu.auth0.com # ours", "MGMT_DOMAIN = acme.eu.auth0.com\r",
			`  export	MGMT_DOMAIN="acme.eu.auth0.com" # ours`, "AUTH0_TENANT_DOMAIN='acme.eu.auth0.com'", "MGMT_DOMAIN=#x",
		} {
			if err := os.WriteFile(file, []byte("GRANTD_PLAN=free\n"+content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			lines, bad := config.ParseDotenv([]byte(content))
			if len(bad) > 0 {
				t.Fatalf("%q: %v", content, bad[0])
			}
			want := false
			for _, l := range lines {
				want = want || (l.Name == "MGMT_DOMAIN" || l.Name == "AUTH0_TENANT_DOMAIN") && l.Value.IsSet()
			}
			cmd := exec.CommandContext(t.Context(), shell, "-euc", program+"configured", shell, file)
			out, err := cmd.CombinedOutput()
			if got := err == nil; got != want || len(out) > 0 {
				t.Errorf("%s: %q is configured: %v, want %v; %s", script, content, got, want, out)
			}
		}
	}
}
