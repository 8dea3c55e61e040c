package tenantsim

import (
	"encoding/json"
	"time"
)

// SetConnectionActive says whether people can log in with a connection, without
// a log entry.
func (t *Tenant) SetConnectionActive(name string, active bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.connectionNamed(name); c != nil {
		c.extra["authentication"], _ = json.Marshal(map[string]bool{"active": active}) // always encodes
	}
}

// SetAPI sets a member of an API, such as signing_alg or allow_offline_access,
// to a JSON value, without a check or a log entry.
func (t *Tenant) SetAPI(identifier, member, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.apiNamed(identifier); a != nil {
		a.extra[member] = json.RawMessage(value)
	}
}

// SetSetting sets a member of the tenant's settings to a JSON value, without a
// check or a log entry.
func (t *Tenant) SetSetting(member, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settings.top[member] = json.RawMessage(value)
}

// SetFlag sets a flag of the tenant's settings, without a log entry.
func (t *Tenant) SetFlag(name string, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settings.flags[name] = on
}

// SetClockSkew has the Date header of every answer be so far ahead of the clock.
func (t *Tenant) SetClockSkew(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skew = d
}

// RemoveAPI takes an API away, without a log entry. Its grants stay.
func (t *Tenant) RemoveAPI(identifier string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.apiNamed(identifier); a != nil {
		t.apis.remove(a.id)
	}
}

// RemoveConnection takes a connection away, without a log entry.
func (t *Tenant) RemoveConnection(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.connectionNamed(name); c != nil {
		t.connections.remove(c.id)
	}
}
