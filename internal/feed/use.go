package feed

import (
	"bytes"
	"time"

	"grantd/internal/dcr"
)

// The types of entry that show a client at work: a login, an authorization code
// exchanged for a token, a token refreshed.
// https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes
const (
	login        = "s"
	codeExchange = "seacft"
	refresh      = "sertft"
)

// maxUses bounds how many clients one input shows at work.
const maxUses = 20_000

// user is the id of the client that the entry shows at work, nil if it shows
// none. That is the application's id: what the request called it, for a CIMD
// client the URL of its document, stands in the details. An entry without an id
// that a client can have is of no interest. It does not allocate, unless the
// id is written with escapes.
func (e *entry) user() []byte {
	switch e.kind() {
	case login, codeExchange, refresh:
	default:
		return nil
	}
	v := e.value(mClientID)
	if len(v) <= len(`""`) || v[0] != '"' {
		return nil
	}
	id := []byte(v[1 : len(v)-1])
	if bytes.IndexByte(id, '\\') >= 0 {
		id = []byte(unescape(id))
	}
	if !dcr.ValidClientID(string(id)) {
		return nil
	}
	return id
}

// use notes that a client was at work, and the newest date at which it was.
func (d *decoding) use(at time.Time) {
	id := d.entry.user()
	if id == nil {
		return
	}
	d.result.Used++
	if i, ok := d.uses[string(id)]; ok {
		if u := &d.result.Uses[i]; at.After(u.At) {
			u.At = at
		}
		return
	}
	if len(d.result.Uses) == maxUses {
		return
	}
	if d.uses == nil {
		d.uses = map[string]int{}
	}
	d.uses[string(id)] = len(d.result.Uses)
	d.result.Uses = append(d.result.Uses, dcr.Use{ClientID: string(id), At: at})
}
