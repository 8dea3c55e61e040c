package config_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"grantd/internal/config"
	"grantd/internal/doctest"
)

const updateFlag = "update"

func TestMain(m *testing.M) {
	flag.Bool(updateFlag, false, "write the documents that the tests compare with")
	flag.Parse()
	os.Exit(m.Run())
}

func updating() bool { return flag.Lookup(updateFlag).Value.String() == "true" }

func TestEnvExampleUpToDate(t *testing.T) {
	doctest.UpToDate(t, "configs/grantd.env.example", updating(), config.WriteEnvExample)
}

func TestConfigurationUpToDate(t *testing.T) {
	doctest.UpToDate(t, "docs/configuration.md", updating(), config.WriteMarkdown)
}

// The example must be what its head says: fill in what has no # before it, and
// it loads; and what has one is the default.
func TestEnvExampleLoads(t *testing.T) {
	var b bytes.Buffer
	if err := config.WriteEnvExample(&b); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, kv := range good() {
		name, text, _ := strings.Cut(kv, "=")
		values[name] = text
	}
	var filled, uncommented []string
	for line := range strings.SplitSeq(b.String(), "\n") {
		name, _, ok := strings.Cut(line, "=")
		if ok && values[name] != "" {
			line += values[name]
		}
		filled = append(filled, line)
		if ok && strings.HasPrefix(line, "#") && !strings.Contains(name, " ") {
			line = line[1:]
		}
		uncommented = append(uncommented, line)
	}
	home := []string{"HOME=/home/me"}
	want, _ := load(t, good(), nil)
	for _, lines := range [][]string{filled, uncommented} {
		c, notices := load(t, home, disk{"grantd.env": strings.Join(lines, "\n")})
		if len(notices) > 0 {
			t.Errorf("notices: %v", notices)
		}
		if changes := config.Diff(want, c); len(changes) > 0 {
			t.Errorf("differs from the defaults: %v", changes)
		}
	}
}

// Every example of the documentation is one that its variable takes.
func TestExamplesLoad(t *testing.T) {
	for _, v := range config.Variables() {
		if v.Example == "" {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			env := append(without(good(), v.Name), v.Name+"="+v.Example, "GRANTD_ADMIN_TOKEN=0123456789abcdef")
			switch v.Name { // what one of these needs besides
			case "GRANTD_TLS_CERT_FILE":
				env = append(env, "GRANTD_TLS_KEY_FILE=/key.pem")
			case "GRANTD_TLS_KEY_FILE":
				env = append(env, "GRANTD_TLS_CERT_FILE=/cert.pem")
			case "GRANTD_ACME_DOMAIN":
				env = append(env, "GRANTD_LISTEN=:443")
			}
			c, _ := load(t, env, nil)
			if c.Origin(v.Name) != config.FromEnv {
				t.Errorf("origin %q", c.Origin(v.Name))
			}
		})
	}
}

// The table holds itself to some rules.
func TestVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range config.Variables() {
		for _, name := range []string{v.Name, v.Alias} {
			if name != "" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if v.Group == "" || v.Help == "" {
			t.Errorf("%s has no group or no help", v.Name)
		}
		if v.Required && (v.Default != "" || v.Computed != "") {
			t.Errorf("%s is required and has a default", v.Name)
		}
	}
}
