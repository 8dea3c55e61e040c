package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// model is the ledger as one would write it if nothing could go wrong: maps
// and loops over everything.
type model struct {
	clock   *clock
	records map[string]dcr.Record
	seq     uint64
	seen    map[string]time.Time
	journal []string
	feeds   map[dcr.Feed]dcr.FeedStatus
	digest  string
	holds   map[string]dcr.Hold
}

func (m *model) first() bool { return m.feeds[dcr.FeedSweep].LastSuccessAt.IsZero() }

func (m *model) makeDue(r *dcr.Record, class dcr.Class, cause dcr.Cause) {
	m.seq++
	r.Seq, r.Cause, r.Attempts = m.seq, cause, 0
	lifted := class == dcr.Urgent && r.Class != dcr.Urgent
	if waiting := !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(m.clock.at); !waiting || lifted {
		r.NextAttemptAt = m.clock.at
	}
	if r.Class == "" || lifted {
		r.Class = class
	}
	switch r.Phase {
	case dcr.Ready, dcr.Blocked, dcr.Gone:
		r.Phase, r.Reason, r.Message = dcr.Pending, "", ""
	}
}

func (m *model) record(b store.Batch) (got store.Recorded) {
	m.feeds[b.Feed] = m.feeds[b.Feed].Merge(b.Status)
	for _, s := range b.Sightings {
		if s.Kind == dcr.Denied && s.Audience != storetest.Audience {
			continue
		}
		if at, ok := m.seen[s.LogID]; ok && m.clock.at.Sub(at) <= store.SeenFor {
			continue
		}
		m.seen[s.LogID] = m.clock.at
		got.Sightings++
		switch s.Kind {
		case dcr.Registered:
			got.Registrations++
		case dcr.Changed:
			got.Changes++
		case dcr.Deleted:
			got.Deletions++
		case dcr.Denied:
			got.Denials++
		}
		var ids []string
		switch {
		case s.ClientID != "":
			ids = []string{s.ClientID}
		case s.GrantID != "":
			for id, r := range m.records {
				if r.GrantID == s.GrantID {
					ids = append(ids, id)
				}
			}
		default:
			got.TenantChanged = true
			ids = m.ids(func(r dcr.Record) bool { return r.Phase == dcr.Blocked })
		}
		for _, id := range ids {
			m.sight(id, b.Feed, s)
		}
	}
	return got
}

func (m *model) sight(id string, feed dcr.Feed, s dcr.Sighting) {
	r, known := m.records[id]
	switch {
	case !known && s.Kind == dcr.Registered:
		r = dcr.Record{
			ClientID: id, Name: s.Name, Registration: s.Registration, Callbacks: s.Callbacks, Phase: dcr.Pending,
			FirstSeenAt: m.clock.at, FirstSeenFeed: feed, RegisteredAt: s.At, Unadopted: m.first(),
		}
	case !known, s.Kind == dcr.Deleted && r.Phase == dcr.Gone:
		return
	case s.Kind == dcr.Denied:
		if r.Phase == dcr.Refused || !r.LastDeniedAt.IsZero() && m.clock.at.Sub(r.LastDeniedAt) < store.DeniedEvery {
			return
		}
		r.LastDeniedAt = m.clock.at
	case s.Kind == dcr.Registered && r.RegisteredAt.IsZero(): // a sweep found it first
		r.RegisteredAt, r.Registration = s.At, s.Registration
	}
	m.makeDue(&r, s.Class, dcr.Cause{Feed: feed, LogID: s.LogID})
	r.SightedAt = m.clock.at
	if s.Class == dcr.Urgent {
		r.Source = sources()[s.SourceIP]
	}
	m.records[id] = r
}

func (m *model) save(o dcr.Outcome) bool {
	r, stored := o.Record, m.records[o.Record.ClientID]
	for range o.Changes {
		m.journal = append(m.journal, r.ClientID)
	}
	m.hold(o.Holds)
	if stored.ClientID == "" { // forgotten while it was worked on
		return false
	}
	r.RegisteredAt = stored.RegisteredAt
	if r.Registration == "" || r.Registration == dcr.RegistrationUnknown {
		r.Registration = stored.Registration
	}
	r.FirstSeenAt, r.FirstSeenFeed = stored.FirstSeenAt, stored.FirstSeenFeed
	r.SightedAt, r.Source = stored.SightedAt, stored.Source
	if stored.LastDeniedAt.After(r.LastDeniedAt) {
		r.LastDeniedAt = stored.LastDeniedAt
	}
	r.Unadopted = stored.Unadopted && !r.GrantMade
	if r.Seq != stored.Seq {
		r.Phase, r.Reason, r.Message = stored.Phase, stored.Reason, stored.Message
		r.NextAttemptAt, r.Class, r.Attempts = stored.NextAttemptAt, stored.Class, stored.Attempts
		r.Cause, r.Seq = stored.Cause, stored.Seq
		// A sweep had found it anew since it was forgotten, before the writes.
		wrote, older := len(o.Changes) > 0, r.Digest != stored.Digest
		overtook := (r.Phase == dcr.Ready || r.Phase == dcr.Blocked) && (wrote || older) || r.Phase == dcr.Refused && wrote
		if r.NextAttemptAt.IsZero() && overtook {
			m.makeDue(&r, dcr.Background, r.Cause)
		}
	}
	if r.NextAttemptAt.IsZero() {
		r.Class = ""
	}
	m.records[r.ClientID] = r
	return o.Record.Seq == stored.Seq
}

func (m *model) forget(id string) dcr.Record {
	r := m.records[id]
	delete(m.records, id)
	m.journal = append(m.journal, id)
	return r
}

func (m *model) requeue(class dcr.Class, cause dcr.Cause, match func(dcr.Record) bool) (n int) {
	for _, id := range m.ids(match) {
		r := m.records[id]
		if cause == (dcr.Cause{}) {
			m.makeDue(&r, class, r.Cause)
		} else {
			m.makeDue(&r, class, cause)
		}
		m.records[id] = r
		n++
	}
	return n
}

// ids are those that match, sorted.
func (m *model) ids(match func(dcr.Record) bool) (ids []string) {
	for _, id := range slices.Sorted(maps.Keys(m.records)) {
		if match(m.records[id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

// due are the clients due in a class: urgent ones with sources taking turns,
// others longest due first.
func (m *model) due(class dcr.Class) (due []store.DueClient) {
	ids := m.ids(func(r dcr.Record) bool {
		return r.Class == class && !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(m.clock.at)
	})
	slices.SortStableFunc(ids, func(a, b string) int {
		return cmp.Or(m.records[a].NextAttemptAt.Compare(m.records[b].NextAttemptAt), cmp.Compare(a, b))
	})
	for _, id := range ids {
		due = append(due, store.DueClient{ID: id, Source: m.records[id].Source})
	}
	if class != dcr.Urgent {
		return due
	}
	turn := map[store.DueClient]int{}
	met := map[string]int{} // when each source had its first turn
	count := map[string]int{}
	for i, d := range due {
		turn[d] = count[d.Source]
		if count[d.Source]++; count[d.Source] == 1 {
			met[d.Source] = i
		}
	}
	slices.SortFunc(due, func(a, b store.DueClient) int {
		return cmp.Or(turn[a]-turn[b], met[a.Source]-met[b.Source])
	})
	return due
}

// TestModel does thousands of random things to a ledger and to its model, and
// compares all that can be seen of both.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed, 600)
		})
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	c := newClock()
	m := &model{clock: c, records: map[string]dcr.Record{}, seen: map[string]time.Time{}, feeds: map[dcr.Feed]dcr.FeedStatus{}, holds: map[string]dcr.Hold{}}
	path := filepath.Join(t.TempDir(), "grantd.db")
	open := func() *store.Ledger {
		l := storetest.Open(t, at(path), c.option)
		store.SetPrefix(l, modelPrefix)
		return l
	}
	l := open()
	working := map[string]dcr.Record{} // read by a worker, to be saved later
	for step := range steps {
		c.advance(time.Duration(rnd.Int64N(int64(time.Minute))))
		var got, want any
		var err error
		what := ""
		switch p := rnd.IntN(100); {
		case p < 25:
			what, got, want, err = sweepSomething(t.Context(), rnd, l, m, step)
		case p < 50:
			b := randomBatch(rnd, step, c.at)
			what = fmt.Sprintf("record %+v", b)
			want = m.record(b)
			got, err = l.Record(t.Context(), b)
		case p < 60:
			if id := pick(rnd, slices.Sorted(maps.Keys(m.records))); id != "" {
				working[id] = m.records[id]
			}
			continue
		case p < 85:
			id := pick(rnd, slices.Sorted(maps.Keys(working)))
			if id == "" {
				continue
			}
			o := randomOutcome(rnd, working[id], c.at, m.digest)
			delete(working, id)
			what = fmt.Sprintf("save %+v", o)
			_, known := m.records[id]
			want = m.save(o)
			if got, err = l.Save(t.Context(), o); !known && errors.Is(err, store.ErrNotFound) {
				err = nil
			}
		case p < 88:
			want = m.requeue(dcr.Urgent, dcr.Cause{}, func(r dcr.Record) bool { return r.Phase == dcr.Blocked })
			got, err = l.Requeue(t.Context(), store.Blocked, dcr.Urgent, dcr.Cause{})
			what = "requeue blocked"
		case p < 90:
			want = m.requeue(dcr.Background, dcr.Cause{}, func(r dcr.Record) bool { return r.Phase == dcr.Pending && r.LastError != "" })
			got, err = l.Requeue(t.Context(), store.Failing, dcr.Background, dcr.Cause{})
			what = "requeue failing"
		case p < 91:
			digest := fmt.Sprint("d", rnd.IntN(3))
			want = m.setDigest(digest)
			got, err = l.SetDigest(t.Context(), digest)
			what = "set digest " + digest
		case p < 92:
			c.advance(4 * 24 * time.Hour)
			continue
		case p < 95:
			what, got, want, err = brakeSomething(t.Context(), rnd, l, m)
		case p < 96:
			what, got, want, err = "flush", nil, nil, l.Flush(t.Context())
		case p < 97:
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open()
			what = "reopen"
		case p < 98:
			id := pick(rnd, slices.Sorted(maps.Keys(m.records)))
			if id == "" {
				continue
			}
			what = "forget " + id
			want = m.forget(id)
			got, err = l.Forget(t.Context(), id, true)
		default:
			what = "look"
			compare(t, l, m)
		}
		if err != nil {
			t.Fatalf("step %d: %s: %v", step, what, err)
		}
		diff(t, got, want)
		if t.Failed() {
			t.Fatalf("step %d: %s", step, what)
		}
	}
	compare(t, l, m)
}

func pick(rnd *rand.Rand, from []string) string {
	if len(from) == 0 {
		return ""
	}
	return from[rnd.IntN(len(from))]
}

func randomBatch(rnd *rand.Rand, step int, now time.Time) store.Batch {
	b := store.Batch{
		Feed:   []dcr.Feed{dcr.FeedWebhook, dcr.FeedPoll, dcr.FeedSweep}[rnd.IntN(3)],
		Status: dcr.FeedStatus{LastDeliveryAt: now, Events: uint64(rnd.IntN(5))},
	}
	if rnd.IntN(4) == 0 {
		b.Status.Checkpoint = now
	}
	for n := range rnd.IntN(4) {
		id := fmt.Sprint("tpc_", rnd.IntN(30))
		s := dcr.Sighting{
			Kind:     []dcr.SightingKind{dcr.Registered, dcr.Changed, dcr.Deleted, dcr.Denied}[rnd.IntN(4)],
			Class:    []dcr.Class{dcr.Urgent, dcr.Background}[rnd.IntN(2)],
			ClientID: id, LogID: fmt.Sprint("log", step, ".", n),
			Registration: dcr.RegistrationDCR, Audience: storetest.Audience, Name: "n" + id, At: now.Add(-time.Second),
		}
		s.SourceIP = pick(rnd, slices.Sorted(maps.Keys(sources())))
		if rnd.IntN(3) == 0 { // again
			s.LogID = fmt.Sprint("log", rnd.IntN(step+1), ".", n)
		}
		if s.Kind == dcr.Registered {
			b.Sightings = append(b.Sightings, s)
			continue
		}
		switch rnd.IntN(6) {
		case 0:
			s.ClientID, s.GrantID = "", "cgr_"+id
		case 1:
			s.ClientID, s.ConnectionID = "", "con_a"
		case 2:
			s.Audience = "https://other/"
		}
		b.Sightings = append(b.Sightings, s)
	}
	return b
}

func randomOutcome(rnd *rand.Rand, r dcr.Record, now time.Time, digest string) dcr.Outcome {
	r.Phase = dcr.Phases()[rnd.IntN(len(dcr.Phases()))]
	r.Reason, r.Message, r.LastError, r.LastCheckedAt = "", "", "", now
	r.Digest = digest
	r.NextAttemptAt, r.Attempts = time.Time{}, 0
	r.GrantID = []string{"", "cgr_" + r.ClientID}[rnd.IntN(2)]
	r.GrantMade = r.GrantID != "" && rnd.IntN(2) == 0
	r.SecurityMode = []dcr.SecurityMode{"", dcr.Strict}[rnd.IntN(2)]
	if rnd.IntN(3) == 0 {
		r.NextAttemptAt, r.Class = now.Add(time.Duration(rnd.Int64N(int64(5*time.Minute)))), []dcr.Class{dcr.Urgent, dcr.Background}[rnd.IntN(2)]
		r.Attempts, r.LastError, r.Reason, r.Message = 1+rnd.IntN(5), dcr.ServerError, []dcr.Reason{dcr.MissingScope, dcr.Held}[rnd.IntN(2)], "words"
	}
	o := dcr.Outcome{Record: r}
	if rnd.IntN(4) == 0 {
		o.Holds = []dcr.Hold{{Scope: dcr.HoldField, ClientID: r.ClientID, Field: dcr.StepGrant, Until: now.Add(time.Hour), Times: 1 + rnd.IntN(9)}}
	}
	for range rnd.IntN(3) {
		o.Changes = append(o.Changes, dcr.Change{Step: dcr.StepGrant, At: now})
	}
	return o
}
