package store

import (
	"strings"
	"unicode/utf8"

	"grantd/internal/dcr"
)

// room is how much a record keeps of texts that others choose, in bytes of
// JSON. Texts are only shortened for what is shown: decisions are made on the
// client itself.
type room struct {
	name, message, id   int
	callback, callbacks int // each, and all together
}

// served is the room of clients that grantd works on, and refused that of those
// it does not: they are for anybody to make.
func served() room { return room{name: 256, message: 2048, id: 192, callback: 512, callbacks: 4096} }

func refused() room { return room{name: 64, message: 256, id: 128, callback: 128, callbacks: 256} }

// bound brings a record into its bounds. Of a client that is none of grantd's
// as little is kept as says what it is and why it was refused.
func bound(r dcr.Record) dcr.Record {
	m := served()
	if stranger(r) {
		m = refused()
		r.Conditions, r.Plan, r.Undone, r.Fix = dcr.Conditions{}, nil, nil, ""
	}
	r.Name, r.Message, r.Fix = fit(r.Name, m.name), fit(r.Message, m.message), dcr.Text(fit(string(r.Fix), m.message))
	for _, c := range []*dcr.Condition{&r.Conditions.Promoted, &r.Conditions.Connected, &r.Conditions.Granted} {
		c.Message, c.Fix = fit(c.Message, m.message), dcr.Text(fit(string(c.Fix), m.message))
	}
	r.Callbacks = fitAll(r.Callbacks, m.callback, m.callbacks)
	r.GrantID, r.Cause.LogID = fit(r.GrantID, m.id), fit(r.Cause.LogID, m.id)
	if a := r.Cause.Actor; a != nil && len(a.ID) > m.id {
		r.Cause.Actor = &dcr.Actor{Kind: a.Kind, ID: fit(a.ID, m.id)}
	}
	return r
}

// fitAll cuts each text to a number of bytes, and their number so that all
// together do not take more than total.
func fitAll(all []string, each, total int) []string {
	var fitting []string
	for _, s := range all {
		s = fit(s, each)
		if total -= encodedSize(s) + len(`"",`); total < 0 {
			break
		}
		fitting = append(fitting, s)
	}
	return fitting
}

// fit cuts s between characters so that it takes at most n bytes as JSON,
// without quotes, and makes it valid UTF-8, as JSON would.
func fit(s string, n int) string {
	if len(s) > n+utf8.UTFMax {
		s = s[:n+utf8.UTFMax]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	for i, r := range s {
		if n -= encodedRune(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// encodedSize is how many bytes s takes as JSON, without quotes.
func encodedSize(s string) (n int) {
	for _, r := range s {
		n += encodedRune(r)
	}
	return n
}

// encodedRune is how many bytes encoding/json takes for a character.
func encodedRune(r rune) int {
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t', r == '\b', r == '\f':
		return 2
	case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029':
		return len(`\u0000`)
	default:
		return utf8.RuneLen(r)
	}
}
