package daemon

import (
	"encoding/json"
	"slices"
	"strings"

	"grantd/internal/tenantsim"
)

func (w *witness) promotes(a tenantsim.Access, v tenantsim.View) {
	name := "clients/" + a.Vars[0]
	was := a.Before[name]
	if was == nil { // it changed nothing
		was = v.Client(a.Vars[0])
	}
	c := w.touches(a, was)
	body := read[map[string]json.RawMessage](a.Body)
	fields := []string{"app_type", "token_endpoint_auth_method", "grant_types"}
	if c.Document != "" {
		fields = []string{"grant_types"}
	}
	w.sent(a, body, fields...)
	w.only(a, map[string][]string{name: fields})
	is := read[seenClient](v.Client(a.Vars[0]))
	if _, sent := body["grant_types"]; sent && c.Document == "" && !sameScopes(is.GrantTypes, []string{"authorization_code", "refresh_token"}) {
		w.fail(a, "grant types %v", is.GrantTypes)
	}
	for field, desired := range map[string]string{"app_type": `"regular_web"`, "token_endpoint_auth_method": `"none"`} {
		if got, sent := body[field]; sent && string(got) != desired {
			w.fail(a, "%s %s", field, got)
		}
	}
	if c.Document != "" && !slices.Contains(is.GrantTypes, "refresh_token") {
		w.fail(a, "a CIMD client lost refresh_token")
	}
}

func (w *witness) grants(a tenantsim.Access, v tenantsim.View) {
	body := read[map[string]json.RawMessage](a.Body)
	w.sent(a, body, "client_id", "audience", "subject_type", "scope")
	g := read[seenGrant](a.Body)
	if !g.ours() {
		w.fail(a, "for %s, subject %q", g.Audience, g.Subject)
	}
	w.touches(a, v.Client(g.ClientID))
	w.scopes(a, g, nil)
	allowed := map[string][]string{}
	for name := range a.After {
		if strings.HasPrefix(name, "client-grants/") && read[seenGrant](a.After[name]).ClientID == g.ClientID {
			allowed[name] = []string{"*"}
		}
	}
	w.only(a, allowed)
}

func (w *witness) regrants(a tenantsim.Access, v tenantsim.View) {
	body := read[map[string]json.RawMessage](a.Body)
	w.sent(a, body, "scope", "allow_all_scopes")
	name := "client-grants/" + a.Vars[0]
	is := read[seenGrant](v.Grant(a.Vars[0]))
	was := is
	if raw := a.Before[name]; raw != nil {
		was = read[seenGrant](raw)
	}
	if !is.ours() {
		w.fail(a, "a grant of %s for %q", is.Audience, is.Subject)
	}
	if is.All {
		w.fail(a, "it allows all scopes")
	}
	w.touches(a, v.Client(is.ClientID))
	w.scopes(a, is, &was)
	w.only(a, map[string][]string{name: {"scope", "allow_all_scopes"}})
}

// scopes: those granted are desired, or were there and are kept.
func (w *witness) scopes(a tenantsim.Access, g seenGrant, was *seenGrant) {
	foreign := w.foreign[g.ID]
	adopting := a.At.Sub(w.adoptedAt) <= inFlight // asked for, and perhaps not done yet
	ok := w.any(func(r rules) bool {
		exact := len(minus(g.Scopes, r.scopes)) == 0
		if was != nil && (r.additive || foreign || (w.unmade[g.ClientID] || adopting) && !exact) {
			// Nothing is taken away, or nothing that grantd could know of.
			same := !was.All && len(minus(was.Scopes, g.Scopes)) == 0 && len(minus(minus(g.Scopes, r.scopes), was.Scopes)) == 0
			return same || w.keeps(g, r.scopes, a.At)
		}
		return exact
	})
	if !ok {
		w.fail(a, "scopes %v, before %+v, from before grantd: %v", g.Scopes, was, foreign)
	}
}

func (w *witness) enables(a tenantsim.Access, v tenantsim.View) {
	w.desired(a, v)
	allowed := map[string][]string{}
	for _, item := range read[[]struct {
		ClientID string `json:"client_id"`
		Status   bool   `json:"status"`
	}](a.Body) {
		if !item.Status {
			w.fail(a, "it disables %s", item.ClientID)
		}
		w.touches(a, v.Client(item.ClientID))
		allowed["connections/"+a.Vars[0]+"/clients/"+item.ClientID] = []string{"*"}
	}
	w.only(a, allowed)
}

func (w *witness) opens(a tenantsim.Access, v tenantsim.View) {
	w.desired(a, v)
	if string(a.Body) != `{"is_domain_connection":true}` {
		w.fail(a, "that body")
	}
	if !w.any(func(r rules) bool { return r.domain }) {
		w.fail(a, "the connection level is client")
	}
	w.only(a, map[string][]string{"connections/" + a.Vars[0]: {"is_domain_connection"}})
}

// desired: the connection is one that configuration names.
func (w *witness) desired(a tenantsim.Access, v tenantsim.View) {
	name := read[seenConnection](v.Connection(a.Vars[0])).Name
	if !w.any(func(r rules) bool { return slices.Contains(r.connections, name) }) {
		w.fail(a, "%q is no desired connection", name)
	}
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
