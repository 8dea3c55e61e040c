package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stage runs an Action on events and prints what it called, a line each.
const stage = `
const { onExecutePostLogin } = require(process.argv[2]);
(async () => {
  const audience = process.argv[3];
  const events = [
    { resource_server: { identifier: audience }, user: { user_id: 'auth0|1' }, authorization: { roles: ['admin'] } },
    { resource_server: { identifier: audience }, user: { user_id: 'auth0|2' } },
    { resource_server: { identifier: audience + '/' }, user: { user_id: 'auth0|3' } },
    { user: { user_id: 'auth0|4' } },
  ];
  for (const event of events) {
    const calls = [];
    await onExecutePostLogin(event, { accessToken: {
      addScope: (s) => calls.push(['addScope', s]),
      setCustomClaim: (n, v) => calls.push(['setCustomClaim', n, v]),
    } });
    console.log(JSON.stringify(calls));
  }
})();
`

// play writes an Action down, has Node check it and runs it on the stage.
func play(t *testing.T, code, audience string) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node to run the Action with")
	}
	dir := t.TempDir()
	file, theatre := filepath.Join(dir, "action.js"), filepath.Join(dir, "stage.js")
	for name, text := range map[string]string{file: code, theatre: stage} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), node, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("node: %v\n%s\n%s", err, out, code)
		}
		return string(out)
	}
	run("--check", file)
	return strings.Split(strings.TrimSpace(run(theatre, file, audience)), "\n")
}

// The Action adds scopes and claims to tokens for the API and to no others. Node
// runs it.
func TestAction(t *testing.T) {
	t.Parallel()
	const audience = "https://mcp.example.com/mcp"
	code, err := renderAction(audience, []string{"notes:read", "notes:write"}, false, actionOptions{
		scopes: true, roleClaim: "https://mcp.example.com/roles", uidClaim: "uid",
	})
	if err != nil {
		t.Fatal(err)
	}
	scopes := `["addScope","notes:read"],["addScope","notes:write"],["setCustomClaim","https://mcp.example.com/roles",`
	want := []string{
		"[" + scopes + `["admin"]],["setCustomClaim","uid","auth0|1"]]`,
		"[" + scopes + `[]],["setCustomClaim","uid","auth0|2"]]`,
		"[]", "[]",
	}
	if diff := cmp.Diff(want, play(t, code, audience)); diff != "" {
		t.Error(diff)
	}
}

// What is not asked for is not in it.
func TestActionWithoutAnything(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{nil, {"notes:read"}} {
		code, err := renderAction("urn:api", scopes, true, actionOptions{})
		if err != nil || strings.Contains(code, "SCOPES") || strings.Contains(code, "CLAIM") {
			t.Errorf("%v\n%s", err, code)
		}
		if got := strings.Join(play(t, code, "urn:api"), ""); got != "[][][][]" {
			t.Error(got)
		}
	}
	code, err := renderAction("urn:api", nil, true, actionOptions{scopes: true})
	if err != nil || !strings.Contains(code, "Not among SCOPES") {
		t.Errorf("%v\n%s", err, code)
	}
}

// No value of a configuration can be code.
func TestActionIsNoWayIn(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{
		`"; process.exit(7); "`, `'; process.exit(7); '`, "`${process.exit(7)}`", "\\", "\\\"; process.exit(7)//", "*/ process.exit(7); /*",
		"a\nprocess.exit(7)\n", "a\r\nprocess.exit(7)", "a\u2028process.exit(7)\u2029", "</script><script>process.exit(7)</script>", "<!-- ",
		"$Scopes", "\n//end\n", "$RoleClaim", "__proto__", "\x00",
	} {
		code, err := renderAction(evil, []string{evil}, false, actionOptions{scopes: true, roleClaim: evil, uidClaim: evil})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(code, "</script") || strings.Contains(code, "<!--") || strings.ContainsAny(code, "\u2028\u2029\r\x00") {
			t.Errorf("%q:\n%s", evil, code)
		}
		if strings.Contains(evil, "\x00") {
			continue // no argument of a process has it
		}
		got := play(t, code, evil)
		var made [][]any
		if err := json.Unmarshal([]byte(got[0]), &made); err != nil || len(made) != 3 || made[0][1] != evil || made[1][1] != evil {
			t.Errorf("%q: %s", evil, got)
		}
	}
}

func TestCheckClaim(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"": true, "https://mcp.example.com/roles": true, "http://a.example/": true, "uid": true, "role_names": true,
		"sub": false, "scope": false, "roles": false, "permissions": false, "a b": false, "1x": false, "a\nb": false, "https://": false,
		"https://acme.auth0.com/roles": false, "https://AUTH0.com/x": false, "https://notauth0.com/x": true, "https://x.webtask.io/": false,
		strings.Repeat("a", 65): false,
	} {
		if err := checkClaim(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
