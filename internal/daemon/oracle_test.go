package daemon

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"grantd/internal/tenantsim"
)

// The oracle says what grantd should have made of a tenant. It is written from
// the contract, looks at the tenant's own JSON and knows nothing of the code it
// judges. Of callbacks it knows a catalogue that a person has labelled.

// rules are a configuration as the oracle understands it.
type rules struct {
	allowed     []string // entries of GRANTD_ALLOWED_CLIENTS
	scopes      []string
	connections []string
	additive    bool
	domain      bool // GRANTD_CONNECTION_LEVEL=domain
	dryRun      bool
}

func (r rules) environ() map[string]string {
	mode, level := "exact", "client"
	if r.additive {
		mode = "additive"
	}
	if r.domain {
		level = "domain"
	}
	return map[string]string{
		"GRANTD_ALLOWED_CLIENTS": strings.Join(r.allowed, ","), "TOOL_SCOPES": strings.Join(r.scopes, " "),
		"GOOGLE_CONNECTION_NAME": strings.Join(r.connections, ","), "GRANTD_SCOPE_MODE": mode,
		"GRANTD_CONNECTION_LEVEL": level, "GRANTD_DRY_RUN": fmt.Sprint(r.dryRun),
	}
}

// catalogue labels every callback the tests use with the entry that allows it;
// the others are allowed by "any" alone.
func catalogue() map[string]string {
	c := map[string]string{
		"https://chatgpt.com/connector_platform_oauth_redirect": "chatgpt",
		"https://chatgpt.com/connector/oauth/Ab-9_z":            "chatgpt",
		"https://chatgpt.com/connector/oauth/x":                 "chatgpt",
		"https://claude.ai/api/mcp/auth_callback":               "claude",
		"https://claude.com/api/mcp/auth_callback":              "claude",
		"http://localhost:6274/oauth/callback":                  "mcp-inspector",
		"http://localhost:6274/oauth/callback/debug":            "mcp-inspector",
		"http://localhost:50123/cb":                             "http://localhost:*/cb",
		"https://exact.example.com/cb":                          "https://exact.example.com/cb",
	}
	for _, hostile := range []string{
		"https://chatgpt.com.evil.example/connector/oauth/x", "https://chatgpt.com@evil.example/connector/oauth/x",
		"https://evil.example/chatgpt.com/connector/oauth/x", "https://user:pass@chatgpt.com/connector/oauth/x",
		"https://chatgpt.com:443/connector/oauth/x", "https://chatgpt.com:8443/connector/oauth/x",
		"https://CHATGPT.com/connector/oauth/x", "https://chatgpt.com./connector/oauth/x",
		"http://chatgpt.com/connector/oauth/x", "https://www.chatgpt.com/connector/oauth/x",
		"https://chatgpt.com/connector/oauth/x/..", "https://chatgpt.com/connector/oauth/../oauth/x",
		"https://chatgpt.com/connector/oauth/%78", "https://chatgpt.com/connector/oauth/a%2Fb",
		"https://chatgpt.com/connector/oauth/x#f", "https://chatgpt.com/connector/oauth/x?y=z",
		"https://chatgpt.com/connector/oauth/", "https://chatgpt.com/connector/oauth/x/",
		"https://chatgpt.com/connector/oauth/x/y", "https://chatgpt.com//connector/oauth/x",
		"https://chatgpt.com/Connector/oauth/x", "https://сhatgpt.com/connector/oauth/x",
		"https://xn--hatgpt-6ye.com/connector/oauth/x", "javascript:alert(1)", "chatgpt://connector/oauth/x",
		"http://localhost:6274/oauth/callback/debug/x", "http://localhost:6275/oauth/callback",
		"http://localhost.evil.example:50123/cb", "https://claude.ai/api/mcp/auth_callback?x",
		"https://evil.example/cb",
	} {
		c[hostile] = ""
	}
	return c
}

// seenClient is a client as the tenant shows it.
type seenClient struct {
	ID         string   `json:"client_id"`
	FirstParty *bool    `json:"is_first_party"`
	Global     bool     `json:"global"`
	AppType    string   `json:"app_type"`
	AuthMethod string   `json:"token_endpoint_auth_method"`
	GrantTypes []string `json:"grant_types"`
	Callbacks  []string `json:"callbacks"`
	Mode       string   `json:"third_party_security_mode"`
	Document   string   `json:"external_client_id"`
}

// seenGrant is a grant as the tenant shows it.
type seenGrant struct {
	ID       string   `json:"id"`
	ClientID string   `json:"client_id"`
	Audience string   `json:"audience"`
	Subject  string   `json:"subject_type"`
	Scopes   []string `json:"scope"`
	All      bool     `json:"allow_all_scopes"`
}

func read[T any](raw json.RawMessage) (out T) {
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			panic(fmt.Sprintf("the simulated tenant shows %s: %v", raw, err))
		}
	}
	return out
}

func (g seenGrant) ours() bool { return g.Audience == worldAPI && g.Subject == "user" }

// refusal is why the contract forbids to touch a client, empty if it does not.
func (r rules) refusal(c seenClient) string {
	known := catalogue()
	switch {
	case c.ID == bubbleApp:
		return "own_client"
	case c.Global:
		return "global_client"
	case c.FirstParty == nil || *c.FirstParty:
		return "first_party"
	case c.AppType == "non_interactive" || slices.Contains(c.GrantTypes, "client_credentials"):
		return "machine_to_machine"
	case len(c.Callbacks) == 0:
		return "no_callbacks"
	case slices.Contains(r.allowed, "any"):
		return ""
	}
	for _, uri := range c.Callbacks {
		if entry := known[uri]; entry == "" || !slices.Contains(r.allowed, entry) {
			return "callback_not_allowed"
		}
	}
	return ""
}

// snapshot is a tenant as it is, sorted by what the oracle asks for.
type snapshot struct {
	clients     map[string]seenClient
	grants      map[string][]seenGrant // by client: those for users of our API
	connections map[string]seenConnection
	raw         map[string]json.RawMessage // clients
	members     map[string]bool            // "connection client"
	brakes      []brake
	defined     []string // the API's scopes
	hasAPI      bool
	dropsMember bool // the tenant forgets per-client connections of permissive clients
}

type seenConnection struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain bool   `json:"is_domain_connection"`
}

func lookAt(t *tenantsim.Tenant, dropsMember bool) snapshot {
	s := snapshot{
		clients: map[string]seenClient{}, grants: map[string][]seenGrant{}, connections: map[string]seenConnection{},
		raw: map[string]json.RawMessage{}, members: map[string]bool{}, dropsMember: dropsMember,
	}
	for name, raw := range t.Snapshot() {
		parts := strings.Split(name, "/")
		switch {
		case parts[0] == "clients":
			c := read[seenClient](raw)
			s.clients[c.ID], s.raw[c.ID] = c, raw
		case parts[0] == "client-grants":
			if g := read[seenGrant](raw); g.ours() {
				s.grants[g.ClientID] = append(s.grants[g.ClientID], g)
			}
		case parts[0] == "connections" && len(parts) == 2:
			c := read[seenConnection](raw)
			s.connections[c.Name] = c
		case parts[0] == "connections":
			s.members[parts[1]+" "+parts[3]] = true
		}
	}
	s.defined, s.hasAPI = t.APIScopes(worldAPI)
	return s
}

// want is what a client should have come to.
type want struct {
	phase  string
	reason string   // of phases other than ready; the first of several
	wrong  []string // what in the tenant is not as it should be
	drift  bool     // there is something to write
}

// conditions are the parts of the desired state, each a row. A part says what
// is wrong in the tenant, or why only a person can put it right.
func conditions() []func(rules, snapshot, seenClient, bool) (wrong, blocked string) {
	return []func(rules, snapshot, seenClient, bool) (string, string){promoted, connected, granted}
}

func promoted(_ rules, _ snapshot, c seenClient, _ bool) (wrong, blocked string) {
	if c.Document != "" {
		if !slices.Contains(c.GrantTypes, "refresh_token") {
			return "a CIMD client without refresh_token", ""
		}
		return "", ""
	}
	if c.AppType != "regular_web" || c.AuthMethod != "none" || !sameScopes(c.GrantTypes, []string{"authorization_code", "refresh_token"}) {
		return fmt.Sprintf("promotion: %s, %s, %v", c.AppType, c.AuthMethod, c.GrantTypes), ""
	}
	return "", ""
}

func connected(r rules, s snapshot, c seenClient, _ bool) (wrong, blocked string) {
	for _, name := range r.connections {
		conn, ok := s.connections[name]
		switch {
		case !ok:
			blocked = first2(blocked, "connection_not_found")
		case conn.Domain:
		case r.domain:
			wrong = first2(wrong, name+" is not domain-level")
		case c.Mode == "strict":
			blocked = first2(blocked, "connection_not_domain_level")
		case s.dropsMember && !r.dryRun: // which a dry run does not find out
			blocked = first2(blocked, "connection_not_domain_level")
		case !s.members[conn.ID+" "+c.ID]:
			wrong = first2(wrong, name+" is not enabled")
		}
	}
	return wrong, blocked
}

// granted: exactly one grant; with the desired scopes that the API defines, and
// in mode exact with none but desired ones.
func granted(r rules, s snapshot, c seenClient, foreign bool) (wrong, blocked string) {
	if !s.hasAPI {
		return "", "api_not_found"
	}
	grants := s.grants[c.ID]
	if len(grants) != 1 {
		return fmt.Sprintf("%d grants", len(grants)), ""
	}
	g := grants[0]
	if (r.additive || foreign) && !g.All && len(minus(g.Scopes, s.defined)) > 0 && len(minus(inter(r.scopes, s.defined), g.Scopes)) > 0 {
		// It holds what the API does not define any more. grantd takes nothing
		// from it, and with that Auth0 takes nothing more into it; which a dry run
		// does not find out.
		if r.dryRun {
			return "scopes to add", ""
		}
		return "", "scopes_rejected"
	}
	for _, scope := range r.scopes {
		if slices.Contains(s.defined, scope) && !g.All && !slices.Contains(g.Scopes, scope) {
			return fmt.Sprintf("the grant %v lacks %s", g.Scopes, scope), ""
		}
	}
	if r.additive || foreign {
		return "", ""
	}
	if g.All {
		return "the grant allows all scopes", ""
	}
	for _, scope := range g.Scopes {
		if !slices.Contains(r.scopes, scope) {
			return fmt.Sprintf("the grant %v has %s", g.Scopes, scope), ""
		}
	}
	return "", ""
}

// expect says what should have become of a client by now. foreign: its grant
// was there before grantd, and nobody has adopted it.
func (r rules) expect(s snapshot, id string, foreign bool) want {
	c, ok := s.clients[id]
	if !ok {
		return want{phase: "gone"}
	}
	if why := r.refusal(c); why != "" {
		return want{phase: "refused", reason: why}
	}
	for _, b := range s.brakes {
		if _, covered := b.since(s.raw[id]); covered {
			return want{phase: "blocked", reason: b.reason}
		}
	}
	w := want{phase: "ready"}
	for _, part := range conditions() {
		wrong, blocked := part(r, s, c, foreign)
		if wrong != "" {
			w.wrong = append(w.wrong, wrong)
		}
		if blocked != "" && w.phase == "ready" {
			w.phase, w.reason = "blocked", blocked
		}
	}
	if len(w.wrong) > 0 && r.dryRun {
		return want{phase: "pending", reason: "dry_run", drift: true}
	}
	w.drift = len(w.wrong) > 0
	return w
}

func inter(a, b []string) []string { return minus(a, minus(a, b)) }

func sameScopes(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func first2(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
