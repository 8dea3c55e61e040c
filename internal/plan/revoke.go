package plan

import "grantd/internal/dcr"

// Revoke is the step that takes every scope from a grant, if it holds any.
func Revoke(g dcr.Grant) (Step, bool) {
	if len(g.Scopes) == 0 && !g.AllowAllScopes {
		return Step{}, false
	}
	s := Step{
		Kind: dcr.StepRevoke, Grant: g, Scopes: []string{},
		Before: map[string]any{"id": g.ID, "scope": sorted(g.Scopes)},
		After:  map[string]any{"id": g.ID, "scope": []string{}},
	}
	if g.AllowAllScopes { // it has no list then, and must be told to have one
		s.Before = map[string]any{"id": g.ID, "allow_all_scopes": true}
		s.After["allow_all_scopes"] = false
	}
	return s, true
}
