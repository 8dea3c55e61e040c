package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"grantd/internal/tenantsim"
)

// command is one line of standard input. What it does not name is empty.
type command struct {
	ID        int      `json:"id"`
	Do        string   `json:"do"`
	ClientID  string   `json:"client_id"` // of the client it is about
	Name      string   `json:"name"`      // of the clients to register
	Callbacks []string `json:"callbacks"` // theirs; ChatGPT's if there are none
	Count     int      `json:"count"`     // how many; 0 is one
	Scopes    []string `json:"scopes"`    // that grantd shall lack
	On        bool     `json:"on"`
	Text      string   `json:"text"` // that Auth0 says
}

// answer is the line that answers it.
type answer struct {
	ID        int      `json:"id"`
	Error     string   `json:"error,omitempty"`
	ClientIDs []string `json:"client_ids,omitempty"`
}

func (w *world) answer(ctx context.Context, line []byte) answer {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return answer{Error: fmt.Sprintf("read command: %v", err)}
	}
	ids, err := w.do(ctx, c)
	a := answer{ID: c.ID, ClientIDs: ids}
	if err != nil {
		a.Error = fmt.Sprintf("%s: %v", c.Do, err)
	}
	return a
}

func (w *world) do(ctx context.Context, c command) ([]string, error) {
	switch c.Do {
	case "register":
		return w.register(c)
	case "plant":
		return []string{w.plant(c)}, nil
	case "ungrant": // somebody deletes the client's grant at the dashboard
		return nil, w.ungrant(c.ClientID)
	case "lack": // grantd lacks these permissions, and has all others
		w.tenant.SetScopes(daemonApp, without(permissions(), c.Scopes)...)
		w.tenant.RevokeTokens() // a token keeps what it was issued with
	case "outage": // the tenant answers nobody, or does again
		w.tenant.Outage(c.On)
	case "refuse": // Auth0 refuses every write to a client with these words, or none any more
		w.front.refuse(c.Text)
	case "delete": // somebody deletes the client at the dashboard
		return nil, w.admin("DELETE", "/api/v2/clients/"+c.ClientID, nil)
	case "break": // somebody edits the client at the dashboard
		return nil, w.admin("PATCH", "/api/v2/clients/"+c.ClientID, map[string]any{"app_type": "spa"})
	case "kill":
		w.daemon.Kill()
	case "start":
		return nil, w.start(ctx)
	default:
		return nil, fmt.Errorf("no such command")
	}
	return nil, nil
}

// register registers clients as anybody can, by RFC 7591.
func (w *world) register(c command) (ids []string, err error) {
	for n := range max(c.Count, 1) {
		r := tenantsim.ChatGPT(fmt.Sprintf("browser%d", n))
		if c.Name != "" {
			r.ClientName = c.Name
		}
		if len(c.Callbacks) > 0 {
			r.RedirectURIs = c.Callbacks
		}
		made, err := w.tenant.Register(r)
		if err != nil {
			return ids, err
		}
		ids = append(ids, made.ID)
	}
	return ids, nil
}

func (w *world) ungrant(clientID string) error {
	g, ok := w.tenant.UserGrant(clientID, audience)
	if !ok {
		return fmt.Errorf("client %q has no grant", clientID)
	}
	return w.admin("DELETE", "/api/v2/client-grants/"+g.ID, nil)
}

// admin does what somebody can do at the dashboard.
func (w *world) admin(method, path string, body any) error {
	if status, answer := w.tenant.Do(tenantsim.Admin(), method, path, body); status >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return nil
}

// plant makes a client whose name Auth0 would not take from a registration, as
// anybody who has the webhook's secret can tell grantd of one, and a
// registration that tells of it.
func (w *world) plant(c command) string {
	made := w.tenant.AddClient(tenantsim.Client{Name: c.Name, Callbacks: c.Callbacks, GrantTypes: []string{"authorization_code"}})
	w.tenant.AddLog(tenantsim.Log{
		Type: "sapi", Description: "Dynamic client registration",
		Details: map[string]any{
			"request":  map[string]any{"method": "post", "path": "/oidc/register"},
			"response": map[string]any{"statusCode": 201, "body": map[string]any{"client_id": made.ID, "client_name": made.Name, "redirect_uris": made.Callbacks}},
		},
	})
	return made.ID
}

func without(all, some []string) []string {
	var left []string
	gone := make(map[string]bool)
	for _, s := range some {
		gone[s] = true
	}
	for _, s := range all {
		if !gone[s] {
			left = append(left, s)
		}
	}
	return left
}
