package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// reversal is a change on its way back.
type reversal struct {
	r        *Reconciler
	u        Undoer
	e        dcr.JournalEntry
	audience string
	ctx      context.Context //nolint:containedctx // of one command
	client   dcr.Client
	notes    []string
	stays    []string // fields that cannot be put back
}

// mayTouch reads the client. That a client is not on the allow-list does not
// keep a person from undoing what grantd did to it.
func (v *reversal) mayTouch(s *Settings) error {
	var err error
	v.client, err = v.r.tenant.Client(v.ctx, v.e.ClientID)
	if errors.Is(err, auth0.ErrNotFound) {
		return fmt.Errorf("client %s does not exist in Auth0 any more, and what entry %d changed went with it", v.e.ClientID, v.e.Seq)
	}
	if err != nil {
		return err
	}
	d := s.Policy.Decide(v.client, s.OwnClientID)
	switch d.Reason {
	case dcr.FirstParty, dcr.GlobalClient, dcr.OwnClient, dcr.MachineToMachine:
		return fmt.Errorf("grantd never writes to client %s: %s", v.e.ClientID, d.Message)
	default:
		return nil
	}
}

// prepare compares what is there now with what the entry left, and returns what
// puts back what was there before.
func (v *reversal) prepare() (undo func(correlationID string) error, err error) {
	switch v.e.Step {
	case dcr.StepPromote:
		return v.unpromote()
	case dcr.StepConnect:
		return v.disconnect()
	case dcr.StepDomainLevel:
		return v.demote()
	default:
		return v.ungrant()
	}
}

// after is what the fields hold once it is done.
func (v *reversal) after() map[string]any {
	after := maps.Clone(v.e.Before)
	for _, name := range v.stays {
		delete(after, name)
	}
	return after
}

// differs fails when a field is not as the entry left it.
func (v *reversal) differs(now map[string]any) error {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		left, ok := v.e.After[name]
		if ok && !equalValues(left, now[name]) {
			said = append(said, fmt.Sprintf("%s is %s now, and entry %d left %s", name, shown(now[name]), v.e.Seq, shown(left)))
		}
	}
	if len(said) == 0 {
		return nil
	}
	return fmt.Errorf("it was changed since: %s; grantd history has what grantd changed later", strings.Join(said, "; "))
}

func (v *reversal) unpromote() (func(string) error, error) {
	c := v.client
	now := map[string]any{
		"app_type": c.AppType, "token_endpoint_auth_method": c.TokenEndpointAuthMethod, "grant_types": c.GrantTypes,
	}
	if err := v.differs(now); err != nil {
		return nil, err
	}
	var p dcr.ClientPatch
	if before, ok := v.e.Before["app_type"].(string); ok && before != "" {
		p.AppType = &before
	} else if ok {
		v.stays = append(v.stays, "app_type")
		v.notes = append(v.notes, "the client had no app_type before, and Auth0 documents no way to take it away: it stays "+shown(c.AppType))
	}
	if before, ok := v.e.Before["token_endpoint_auth_method"].(string); ok {
		p.TokenEndpointAuthMethod = &before
	}
	if before, ok := dcr.Texts(v.e.Before["grant_types"]); ok {
		p.GrantTypes = append([]string{}, before...)
	}
	if p.Empty() {
		return nil, fmt.Errorf("entry %d cannot be undone: %s", v.e.Seq, strings.Join(v.notes, "; "))
	}
	return func(id string) error {
		_, err := v.r.tenant.PatchClient(v.ctx, id, v.e.ClientID, p)
		return err
	}, nil
}

func (v *reversal) ungrant() (func(string) error, error) {
	if other, ok := v.e.After["audience"].(string); ok && other != v.audience {
		return nil, fmt.Errorf("entry %d is of the audience %.200s, and grantd serves %s", v.e.Seq, other, v.audience)
	}
	g, ok, err := v.r.tenant.UserGrant(v.ctx, v.e.ClientID, v.audience)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("it was changed since: the client has no grant for %s any more", v.audience)
	}
	now := map[string]any{"id": g.ID, "scope": g.Scopes}
	if _, scoped := v.e.After["scope"]; scoped && g.AllowAllScopes {
		now["scope"] = []string{"(allow_all_scopes)"}
	}
	if err := v.differs(now); err != nil {
		return nil, err
	}
	if len(v.e.Before) == 0 {
		return func(id string) error { return v.u.DeleteGrant(v.ctx, id, g.ID) }, nil
	}
	if all, _ := v.e.Before["allow_all_scopes"].(bool); all {
		return func(id string) error { return v.u.AllowAllScopes(v.ctx, id, g.ID) }, nil
	}
	before, ok := dcr.Texts(v.e.Before["scope"])
	if !ok {
		return nil, fmt.Errorf("entry %d does not say which scopes there were", v.e.Seq)
	}
	return func(id string) error {
		_, err := v.r.tenant.SetGrantScopes(v.ctx, id, g, before)
		return err
	}, nil
}

// connection finds the connection that the entry is about.
func (v *reversal) connection() (dcr.Connection, error) {
	name, _ := v.e.After["connection"].(string)
	c, err := v.r.tenant.Connection(v.ctx, name)
	if errors.Is(err, auth0.ErrNotFound) {
		return c, fmt.Errorf("the tenant has no connection named %q any more", name)
	}
	if err != nil {
		return c, err
	}
	return c, v.differs(map[string]any{"connection_id": c.ID})
}

func (v *reversal) disconnect() (func(string) error, error) {
	c, err := v.connection()
	if err != nil {
		return nil, err
	}
	if c.DomainLevel {
		return nil, fmt.Errorf("connection %q is domain-level by now: every third-party client can use it, so disabling it for one changes nothing", c.Name)
	}
	have, err := v.r.tenant.ClientConnections(v.ctx, v.e.ClientID)
	if err != nil {
		return nil, err
	}
	enabled := slices.ContainsFunc(have, func(h dcr.Connection) bool { return h.ID == c.ID })
	if err := v.differs(map[string]any{"enabled": enabled}); err != nil {
		return nil, err
	}
	return func(id string) error { return v.u.DisableConnection(v.ctx, id, c.ID, v.e.ClientID) }, nil
}

func (v *reversal) demote() (func(string) error, error) {
	c, err := v.connection()
	if err != nil {
		return nil, err
	}
	if err := v.differs(map[string]any{"is_domain_connection": c.DomainLevel}); err != nil {
		return nil, err
	}
	v.notes = append(v.notes, fmt.Sprintf("tenant-wide: no third-party client can log in through %q unless it is enabled for it alone", c.Name))
	return func(id string) error { return v.u.DemoteConnection(v.ctx, id, c.ID) }, nil
}

// equalValues compares a value of the journal, which went through JSON, with one
// that was just read. Lists are sets.
func equalValues(a, b any) bool {
	as, aok := dcr.Texts(a)
	bs, bok := dcr.Texts(b)
	if aok && bok {
		set := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
		return slices.Equal(set(as), set(bs))
	}
	return !aok && !bok && a == b
}

// shown is a value in words, cut.
func shown(v any) string {
	if all, ok := dcr.Texts(v); ok {
		if len(all) == 0 {
			return "(nothing)"
		}
		return fmt.Sprintf("%.300q", strings.Join(all, " "))
	}
	if v == "" || v == nil {
		return "(empty)"
	}
	return fmt.Sprintf("%.300q", fmt.Sprint(v))
}
