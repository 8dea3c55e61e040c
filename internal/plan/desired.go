package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// ScopeMode says how a grant's scopes are held to the desired ones.
type ScopeMode string

// The scope modes.
const (
	// Exact wants equal sets.
	Exact ScopeMode = "exact"
	// Additive wants a superset, and never takes a scope away.
	Additive ScopeMode = "additive"
)

// ConnectionLevel says how connections are opened to clients.
type ConnectionLevel string

// The connection levels.
const (
	// ClientLevel enables a connection for each permissive client by itself.
	ClientLevel ConnectionLevel = "client"
	// DomainLevel promotes the connection once, for all third-party clients of
	// the tenant.
	// https://auth0.com/docs/authenticate/identity-providers/promote-connections-to-domain-level
	DomainLevel ConnectionLevel = "domain"
)

// Desired is what configuration asks for of every eligible client.
type Desired struct {
	Audience string   `json:"audience"`
	Scopes   []string `json:"scopes"` // sorted, each once
	// ScopesUnknown: no source has told yet which scopes there are. Nothing is
	// granted then, and no grant is touched.
	ScopesUnknown   bool            `json:"scopes_unknown,omitempty"`
	ScopeMode       ScopeMode       `json:"scope_mode"`
	Connections     []string        `json:"connections"` // names
	ConnectionLevel ConnectionLevel `json:"connection_level"`
	Allowed         []string        `json:"allowed"` // allow-list entries; they decide which clients are eligible
	DryRun          bool            `json:"dry_run"`
	// Revoke: a client that was brought to the desired state and that policy no
	// longer allows loses the scopes of its grant.
	Revoke bool `json:"revoke,omitempty"`
}

// Digest names the desired state: equal states have equal digests, whatever
// the order of their lists. 16 hexadecimal digits.
func (d Desired) Digest() string {
	d.Scopes, d.Connections, d.Allowed = sorted(d.Scopes), sorted(d.Connections), sorted(d.Allowed)
	b, err := json.Marshal(d)
	if err != nil {
		panic("plan: a struct of strings did not marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func sorted(s []string) []string {
	s = append([]string{}, s...)
	slices.Sort(s)
	return slices.Compact(s)
}
