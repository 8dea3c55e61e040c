package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"grantd/internal/dcr"
)

// Bounds of what a sighting takes over from an entry, in bytes unless said
// otherwise.
const (
	maxLogID         = 128
	maxName          = 256
	maxCallbacks     = 32 // how many
	maxCallback      = 1024
	maxAudience      = 1024
	maxActor         = 128
	maxCorrelationID = 128
	maxEnabled       = 50 // how many clients one call enables a connection for
)

// The types of entry that can lead to a sighting: a successful write through
// the Management API, and a login that failed.
// https://auth0.com/docs/deploy-monitor/logs/log-event-type-codes
const (
	managementCall = "sapi"
	failedLogin    = "f"
)

// Classify says what one entry of the tenant log, bare or wrapped, is a reason
// to look at, or which client it shows at work. Most entries are neither. The
// error is a Flaw. now is only for dates that lie in the future: those more than
// an hour ahead are left out.
func Classify(raw []byte, now time.Time) ([]dcr.Sighting, error) {
	raw = raw[skipSpace(raw, 0):]
	if len(raw) == 0 || raw[0] != '{' {
		return nil, NotObject
	}
	var e entry
	end, flaw := scanEntry(raw, 0, &e, false)
	if flaw == none {
		flaw = e.broken
	}
	if flaw == none && skipSpace(raw, end) != len(raw) {
		flaw = Syntax
	}
	if flaw != none {
		return nil, flaw
	}
	latest := now.Add(maxAhead)
	sightings, flaw := e.classify(latest)
	if flaw != none {
		return nil, flaw
	}
	if id := e.user(); id != nil {
		sightings = append(sightings, dcr.Sighting{
			Kind: dcr.Used, Class: dcr.Background, ClientID: string(id), LogID: e.logID(), At: parseDate(e.value(mDate), latest),
		})
	}
	return sightings, nil
}

// classify finds the entry's sightings. Nothing in it is trusted: it decides
// what is looked at, never what is done.
func (e *entry) classify(latest time.Time) ([]dcr.Sighting, Flaw) {
	var (
		found []dcr.Sighting
		flaw  Flaw
	)
	switch e.kind() {
	case managementCall:
		found, flaw = e.managementCall()
	case failedLogin:
		found, flaw = e.failedLogin()
	}
	if flaw != none || len(found) == 0 {
		return nil, flaw
	}
	id, at, ip, corr := e.logID(), parseDate(e.value(mDate), latest), e.sourceIP(), e.correlationID()
	for i := range found {
		s := &found[i]
		s.Class = dcr.Urgent
		s.At, s.SourceIP, s.CorrelationID, s.LogID = at, ip, corr, id
		if len(found) > 1 {
			s.LogID += "#" + strconv.Itoa(i+1)
		}
	}
	return found, none
}

// kind is the entry's type if it may be of interest. It does not allocate.
func (e *entry) kind() string {
	t := e.value(mType)
	switch string(t) {
	case `"` + managementCall + `"`:
		return managementCall
	case `"` + failedLogin + `"`:
		return failedLogin
	case `"` + codeExchange + `"`:
		return codeExchange
	case `"` + refresh + `"`:
		return refresh
	case `"` + login + `"`:
		return login
	}
	if slices.Contains(t, '\\') {
		return t.hint()
	}
	return ""
}

// logID is the entry's id: the same whichever feed brought it. Where it has
// none that is fit for a key, a digest of the entry stands in.
func (e *entry) logID() string {
	for _, v := range []value{e.value(mLogID), e.wrapperLogID(), e.value(mID)} {
		if id := v.hint(); id != "" && len(id) <= maxLogID && isToken(id) {
			return id
		}
	}
	sum := sha256.Sum256(e.buf[e.raw.from:e.raw.to])
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (e *entry) sourceIP() string {
	ip, err := netip.ParseAddr(e.value(mIP).hint())
	if err != nil {
		return ""
	}
	return ip.WithZone("").String()
}

func (e *entry) correlationID() string {
	refs, flaw := e.value(mReferences).members("correlation_id")
	if flaw != none {
		return ""
	}
	if id := refs[0].hint(); len(id) <= maxCorrelationID && isToken(id) {
		return id
	}
	return ""
}

// parseDate is an entry's date, zero if it has none that can be read or one
// after latest.
func parseDate(v value, latest time.Time) time.Time {
	var t time.Time
	if len(v) < 2 || v[0] != '"' || t.UnmarshalText(v[1:len(v)-1]) != nil || t.After(latest) {
		return time.Time{}
	}
	return t.UTC()
}

// actor is who made a Management API call: the dashboard user, or the
// application whose token it was.
func (e *entry) actor(request []value) dcr.Actor {
	auth, channel := request[reqAuth], request[reqChannel].hint()
	user := e.value(mUserID).hint()
	if a, flaw := auth.members("user"); flaw == none {
		if u, flaw := a[0].members("user_id"); flaw == none && u[0].hint() != "" {
			user = u[0].hint()
		}
	}
	if user != "" {
		return dcr.Actor{Kind: dcr.ActorUser, ID: userID(user)}
	}
	if id := e.value(mClientID).hint(); channel == "api" && dcr.ValidClientID(id) {
		return dcr.Actor{Kind: dcr.ActorApplication, ID: id}
	}
	return dcr.Actor{}
}

// userID is a user's id, or a digest of one that may hold a mail address or
// anything else that is not just an id, as those of enterprise connections do.
func userID(id string) string {
	plain := func(c byte) bool { return isAlnum(c) || strings.IndexByte("|_-.:", c) >= 0 }
	for i := range len(id) {
		if !plain(id[i]) || len(id) > maxActor {
			sum := sha256.Sum256([]byte(id))
			return "sha256:" + hex.EncodeToString(sum[:8])
		}
	}
	return id
}

// isToken reports whether s has only letters, digits and a little punctuation.
func isToken(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("_-.:|", s[i]) < 0 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

// cut is s, at most n bytes of it, ending with a whole character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
