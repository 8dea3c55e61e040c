package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

// The lines that people grep for carry the same attributes, each of them.
func TestLogLinesCarryTheirAttributes(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	for _, g := range w.tenant.Grants(c.ID) {
		w.tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/client-grants/"+g.ID, map[string]any{"scope": []string{"notes:read"}})
	}
	evil := tenantsim.ChatGPT("x")
	evil.RedirectURIs = []string{"https://evil.example/callback"}
	if _, err := w.tenant.Register(evil); err != nil {
		t.Fatal(err)
	}
	messages := []string{"promoting client", "created client grant", "updated client grant", "promoted+enabled+granted", "refused client"}
	for _, m := range messages {
		w.eventually(m, func() bool { return strings.Contains(w.daemon.Logged(), "[dcr] "+m) })
	}
	for text := range strings.Lines(w.daemon.Logged()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if msg, _ := line["msg"].(string); !strings.HasPrefix(msg, "[dcr] ") {
			continue
		}
		for _, name := range []string{"client_id", "audience", "scopes", "cause", "took"} {
			if line[name] == nil {
				t.Errorf("no %s in %s", name, text)
			}
		}
	}
}
