package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

// registration is a log entry of a dynamic registration that claims to have
// made clientID, called for by caller.
func registration(logID, clientID, caller string) json.RawMessage {
	id, err := json.Marshal(clientID)
	if err != nil {
		panic(err) // a string marshals
	}
	return fmt.Appendf(nil, `{"log_id":%q,"data":{"log_id":%[1]q,"type":"sapi","date":%q,"client_id":%q,"description":"Dynamic client registration",`+
		`"details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,`+
		`"body":{"client_id":%s,"redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"]}}}}}`,
		logID, time.Now().UTC().Format(time.RFC3339Nano), caller, id)
}

// The caller's top-level client_id is never taken for the created client.
func TestCallerIsNeverTakenForTheCreatedClient(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}})
	c := w.register("first")
	caller := w.register("caller") // a client that would be served, were it taken
	mark := w.mark()
	if r := w.post(registration("log-1", c.ID, caller.ID)); r.Registrations != 1 {
		t.Fatalf("receipt: %+v", r)
	}
	w.await(c.ID, "ready")
	nameless := strings.Replace(string(registration("log-2", c.ID, caller.ID)), `"client_id":"`+c.ID+`",`, "", 1)
	if r := w.post([]byte(nameless)); r.Registrations != 0 || r.Malformed != 1 {
		t.Errorf("a registration without the created client: %+v", r)
	}
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
	for _, call := range w.tenant.Calls()[mark:] {
		if strings.Contains(call.Path+call.Query+string(call.Body), caller.ID) {
			t.Errorf("the caller was touched: %s %s", call.Method, call.Path)
		}
	}
}

// First-party, global, machine-to-machine, own and off-list clients are refused
// without a write, whatever an entry with the right secret says.
func TestOthersClientsAreRefusedWithoutWrites(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}})
	chatgpt := []string{"https://chatgpt.com/connector_platform_oauth_redirect"}
	add := func(c tenantsim.Client) string { return w.tenant.AddClient(c).ID }
	tests := map[string]struct {
		id   string
		want string // reasons, by space
	}{
		"first-party":        {add(tenantsim.Client{Name: "Shop", FirstParty: true, Callbacks: chatgpt}), "first_party"},
		"global":             {w.tenant.GlobalClient(), "global_client first_party"},
		"machine-to-machine": {otherApp, "machine_to_machine first_party"},
		"third-party M2M":    {add(tenantsim.Client{Name: "Bot", AppType: "non_interactive", Callbacks: chatgpt}), "machine_to_machine"},
		"client credentials": {add(tenantsim.Client{Name: "Bot", GrantTypes: []string{"authorization_code", "client_credentials"}, Callbacks: chatgpt}), "machine_to_machine"},
		"own":                {ownApp, "own_client"},
		"no callbacks":       {add(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{}}), "no_callbacks"},
		"off-list":           {add(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{"https://evil.example/callback"}}), "callback_not_allowed"},
		"look-alike":         {add(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{"https://chatgpt.com.evil.example/connector/oauth/abc"}}), "callback_not_allowed"},
		"one of two": {add(tenantsim.Client{Name: "ChatGPT", Callbacks: []string{
			"https://chatgpt.com/connector_platform_oauth_redirect", "https://evil.example/callback"}}), "callback_not_allowed"},
	}
	for name, tt := range tests {
		if r := w.post(registration("log-"+name, tt.id, otherApp)); r.Registrations != 1 {
			t.Errorf("%s: receipt %+v", name, r)
		}
	}
	for name, tt := range tests {
		if c := w.await(tt.id, "refused"); !strings.Contains(" "+tt.want+" ", " "+c.Reason+" ") {
			t.Errorf("%s: refused for %q, want %q", name, c.Reason, tt.want)
		}
	}
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
	if writes := w.tenant.Writes(); len(writes) != 0 {
		t.Errorf("writes: %+v", writes)
	}
}

// Ids with slashes, dots, percent signs, of 10 kB or in Unicode reach no path
// and break nothing: the entry is malformed, and those beside it are taken.
func TestOddIDsReachNoPath(t *testing.T) {
	w := newWorld(t, setup{delivery: tenantsim.Delivery{Manual: true}})
	odd := []string{
		"", ".", "..", "../clients", "a/b", "/", `a\b`, "%2e%2e%2f", "a%00", "a b", "a\x00b", "a\nb", "a?b=c", "a#b",
		"tpc_ünïcode", "tpc_\u202eabc", "🦊", strings.Repeat("a", 129), strings.Repeat("a", 10<<10), "tpc_abc;rm", "<script>", `"`,
	}
	var entries []json.RawMessage
	for i, id := range odd {
		entries = append(entries, registration(fmt.Sprintf("log-%d", i), id, otherApp))
	}
	c := w.register("good")
	entries = append(entries, w.lines()...)
	mark := w.mark()
	r := w.post(body(entries))
	if want := (receipt{Received: len(entries), Sightings: 1, Registrations: 1, Malformed: len(odd)}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
	w.await(c.ID, "ready")
	w.eventually("nothing is due", func() bool { return w.due() == 0 })
	for _, call := range w.tenant.Calls()[mark:] {
		if !routine(call) && strings.HasPrefix(call.Operation, "GET /clients") && call.Path != "/api/v2/clients/"+c.ID || call.Operation == "" {
			t.Errorf("a call for another id: %s %s", call.Method, call.Path)
		}
	}
	for _, id := range odd {
		if id == "" || strings.ContainsAny(id, "./?#%\\ \n\x00") {
			continue // another URL altogether
		}
		if _, err := w.daemon.Client(w.ctx(), id); err == nil {
			t.Errorf("there is a record of %.40q", id)
		}
	}
}
