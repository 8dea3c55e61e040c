package scope

import (
	"context"
	"slices"
	"time"
)

// Kind is what kind of source.
type Kind string

// The kinds of source.
const (
	File Kind = "file" // TOOL_SCOPES_FILE
	URL  Kind = "url"  // TOOL_SCOPES_URL
)

// kinds are all kinds, in the order in which they are told of.
func kinds() []Kind { return []Kind{File, URL} }

// variable is what people know the source by.
func (k Kind) variable() string {
	if k == File {
		return "TOOL_SCOPES_FILE"
	}
	return "TOOL_SCOPES_URL"
}

// Failure is a source that cannot be read, or holds nothing that counts.
type Failure struct {
	Source Kind
	Err    error     // without the place, which may hold a secret
	Since  time.Time // of the first failure in a row
}

// source is one file or URL. A change of its place makes another one of it.
type source struct {
	kind Kind
	from string // an absolute path, or the URL

	turn chan struct{} // held by whoever reads it; guards last
	last answer        // of a URL

	standing // guarded by the mutex of Sources
	// stop ends the goroutine that follows it, nil if there is none yet.
	stop context.CancelFunc
}

func newSource(kind Kind, from string) *source {
	return &source{kind: kind, from: from, turn: make(chan struct{}, 1)}
}

// take waits for the turn to read; false says that ctx ended first.
func (src *source) take(ctx context.Context) bool {
	select {
	case src.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (src *source) give() { <-src.turn }

// reading is what one look at a source found.
type reading struct {
	scopes []string // before the ceiling
	err    error
	at     time.Time // with the monotonic clock: for durations
}

// standing is where a source stands. Its slices are replaced, never changed.
type standing struct {
	tried    bool // since it was made
	attempts int  // that failed, in a row
	told     bool // something, now or in an earlier run
	// good is what it was last known to mean, newest what it read last. They
	// differ while something is missing that has not been missing for long.
	good, newest []string
	// missing is since when it has read newest without an error in between,
	// zero while nothing is missing.
	missing time.Time
	failure *Failure
	beyond  []string // what the ceiling last left out
	kept    []string // what the keeper has
}

// inForce is what the source adds to the union.
func (st *standing) inForce() []string { return union(st.good, st.newest) }

// restore makes what an earlier run kept the last good value.
func (st *standing) restore(scopes []string) {
	st.told, st.good, st.newest, st.kept = true, scopes, scopes, scopes
}

// limit keeps what the ceiling allows of what was read under another one.
func (st *standing) limit(c Ceiling) {
	st.good, _ = c.Limit(st.good)
	st.newest, _ = c.Limit(st.newest)
}

// accept takes in what was read. With atOnce nothing that is missing is waited
// for, else for as long as settle.
func (st *standing) accept(scopes []string, at time.Time, settle time.Duration, atOnce bool) {
	waited := !st.missing.IsZero() && slices.Equal(scopes, st.newest)
	switch {
	case atOnce, !st.told, covers(scopes, st.good), waited && at.Sub(st.missing) >= settle:
		st.good, st.missing = scopes, time.Time{}
	case !waited:
		st.missing = at
	}
	st.newest, st.told = scopes, true
}
