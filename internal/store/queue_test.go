package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func TestDue(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	plan := func(id string, class dcr.Class, at time.Time) {
		record(t, l, registered(id, "log-"+id))
		settle(t, l, id, dcr.Pending, func(r *dcr.Record) { r.NextAttemptAt, r.Class = at, class })
	}
	plan("third", dcr.Urgent, c.at)
	plan("second", dcr.Urgent, c.at.Add(-time.Second))
	plan("first", dcr.Urgent, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC))
	plan("later", dcr.Urgent, c.at.Add(time.Minute))
	plan("muchlater", dcr.Urgent, c.at.Add(time.Hour))
	plan("back", dcr.Background, c.at)
	plan("backlater", dcr.Background, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC))
	tests := []struct {
		class dcr.Class
		now   time.Time
		limit int
		ids   []string
		next  time.Time
	}{
		{dcr.Urgent, c.at, 10, []string{"first", "second", "third"}, c.at.Add(time.Minute)},
		{dcr.Urgent, c.at, 2, []string{"first", "second"}, c.at.Add(time.Minute)},
		{dcr.Urgent, c.at, 0, nil, c.at.Add(time.Minute)},
		{dcr.Urgent, c.at.Add(-time.Microsecond), 10, []string{"first", "second"}, c.at},
		{dcr.Urgent, c.at.Add(time.Hour), 10, []string{"first", "second", "third", "later", "muchlater"}, time.Time{}},
		{dcr.Background, c.at, 10, []string{"back"}, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)},
		{dcr.Background, c.at.Add(-time.Hour), 10, nil, c.at},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.class, tt.now.Sub(c.at), tt.limit), func(t *testing.T) {
			ids, next, err := l.Due(t.Context(), tt.class, tt.now, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, idsOf(ids), tt.ids)
			if !next.Equal(tt.next) {
				t.Errorf("next %v, want %v", next, tt.next)
			}
		})
	}
	counts, err := l.DueCounts(t.Context(), c.at)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, counts, map[dcr.Class]int{dcr.Urgent: 3, dcr.Background: 1})
}

// inEveryPhase makes a client in each phase, none of them due, and one that
// failed and waits for its next attempt.
func inEveryPhase(t *testing.T, l *store.Ledger) {
	t.Helper()
	for _, p := range dcr.Phases() {
		record(t, l, registered(string(p), "log-"+string(p)))
		settle(t, l, string(p), p, func(r *dcr.Record) { r.Digest, r.Reason, r.LastCheckedAt = "d1", dcr.InternalError, r.FirstSeenAt })
	}
	record(t, l, registered("failing", "log-failing"))
	settle(t, l, "failing", dcr.Pending, func(r *dcr.Record) {
		r.LastError, r.Attempts, r.NextAttemptAt = dcr.ServerError, 4, r.FirstSeenAt.Add(time.Minute)
	})
}

func TestRequeue(t *testing.T) {
	tests := []struct {
		which store.Which
		want  []string
	}{
		{store.Blocked, []string{"blocked"}},
		{store.Failing, []string{"failing"}},
		{store.Refused, []string{"refused"}},
		{store.All, []string{"blocked", "failing", "pending", "ready", "refused"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.which), func(t *testing.T) {
			c := newClock()
			l := storetest.Open(t, c.option)
			inEveryPhase(t, l)
			working := client(t, l, tt.want[0])
			cause := dcr.Cause{Feed: dcr.FeedConfig}
			n, err := l.Requeue(t.Context(), tt.which, dcr.Urgent, cause)
			if err != nil || n != len(tt.want) {
				t.Errorf("%d requeued, want %d; error %v", n, len(tt.want), err)
			}
			ids, _, err := l.Due(t.Context(), dcr.Urgent, c.at, 10)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, idsOf(ids), tt.want)
			diff(t, client(t, l, tt.want[0]).Cause, cause)
			if settled, err := l.Save(t.Context(), dcr.Outcome{Record: working}); settled || err != nil {
				t.Errorf("a save from before settled (%v) or failed: %v", settled, err)
			}
		})
	}
	if _, err := storetest.Open(t).Requeue(t.Context(), "some", dcr.Urgent, dcr.Cause{}); err == nil {
		t.Error("an unknown selection was taken")
	}
}

// A client that waited for a token is still looked at for its registration.
func TestRequeueKeepsTheCause(t *testing.T) {
	l := storetest.Open(t)
	inEveryPhase(t, l)
	cause := client(t, l, "blocked").Cause
	if cause == (dcr.Cause{}) {
		t.Fatal("the record has no cause to keep")
	}
	if _, err := l.Requeue(t.Context(), store.Blocked, dcr.Urgent, dcr.Cause{}); err != nil {
		t.Fatal(err)
	}
	diff(t, client(t, l, "blocked").Cause, cause)
}

// unchecked are the clients that wait to be checked against a configuration.
func unchecked(t *testing.T, l *store.Ledger) (ids []string) {
	t.Helper()
	for q := (store.Query{Phase: dcr.Pending, Limit: 1000}); ; {
		page, next, err := l.Clients(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.Reason == dcr.Unchecked {
				ids = append(ids, r.ClientID)
			}
		}
		if q.After = next; next == "" {
			return ids
		}
	}
}

// A new digest turns clients pending for the sweep, and makes nobody due.
func TestSetDigest(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	inEveryPhase(t, l)
	record(t, l, registered("fresh", "log-fresh"))
	record(t, l, registered("checked", "log-checked"))
	settle(t, l, "checked", dcr.Ready, func(r *dcr.Record) { r.Digest = "d2" })
	record(t, l, registered("listed", "log-listed"))
	settle(t, l, "listed", dcr.Refused, func(r *dcr.Record) { r.LastCheckedAt, r.SecurityMode = c.at, dcr.Strict })
	record(t, l, registered("stuck", "log-stuck"))
	settle(t, l, "stuck", dcr.Blocked, func(r *dcr.Record) {
		r.LastCheckedAt, r.SecurityMode, r.Attempts, r.NextAttemptAt, r.Class = c.at, dcr.Strict, 3, c.at.Add(time.Hour), dcr.Background
	})
	before := map[string]dcr.Record{}
	all := []string{"blocked", "checked", "failing", "fresh", "gone", "listed", "pending", "ready", "refused", "stuck"}
	for _, id := range all {
		before[id] = client(t, l, id)
	}
	n, err := l.SetDigest(t.Context(), "d2")
	if err != nil || n != 7 {
		t.Errorf("%d turned pending, want 7; error %v", n, err)
	}
	waiting := []string{"blocked", "failing", "fresh", "listed", "pending", "ready", "stuck"}
	diff(t, unchecked(t, l), waiting)
	config := dcr.Cause{Feed: dcr.FeedConfig, Digest: "d2"}
	for _, id := range all {
		want, got := before[id], client(t, l, id)
		if slices.Contains(waiting, id) {
			want.Phase, want.Reason, want.Message, want.Seq = dcr.Pending, dcr.Unchecked, "", got.Seq
			if got.Seq <= before[id].Seq {
				t.Errorf("%s has the old sequence number", id)
			}
			if id != "fresh" && id != "failing" { // not looked at even once
				want.Cause = config
			}
		}
		diff(t, got, want)
	}
	if settled, err := l.Save(t.Context(), dcr.Outcome{Record: before["ready"]}); settled || err != nil {
		t.Errorf("a save from before settled (%v) or failed: %v", settled, err)
	}
	if digest, err := l.Digest(t.Context()); digest != "d2" || err != nil {
		t.Errorf("digest %q, error %v", digest, err)
	}
	if n, err := l.SetDigest(t.Context(), "d2"); n != 0 || err != nil {
		t.Errorf("the same digest again: %d, error %v", n, err)
	}
}

// TestSetDigestInterrupted: stopped between two transactions, it goes on when
// it is called again, and does not look finished before.
func TestSetDigestInterrupted(t *testing.T) {
	const clients = 1300
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	l := storetest.Open(t, func(o *store.Options) {
		o.Now = func() time.Time {
			if calls++; calls == 700 {
				cancel()
			}
			return now
		}
	})
	var all []dcr.Sighting
	for i := range clients {
		s := registered(fmt.Sprintf("tpc_%04d", i), fmt.Sprint("log", i))
		s.Class = dcr.Background
		all = append(all, s)
	}
	record(t, l, all...)
	calls = 0
	n, err := l.SetDigest(ctx, "d1")
	if !errors.Is(err, context.Canceled) || n == 0 || n >= clients {
		t.Fatalf("%d requeued, error %v", n, err)
	}
	if digest, err := l.Digest(t.Context()); digest != "" || err != nil {
		t.Errorf("digest %q, error %v", digest, err)
	}
	settle(t, l, "tpc_0000", dcr.Ready, func(r *dcr.Record) { r.Digest = "d1" })
	if n, err := l.SetDigest(t.Context(), "d1"); n != clients-1 || err != nil {
		t.Errorf("%d requeued, error %v", n, err)
	}
	if n := len(unchecked(t, l)); n != clients-1 {
		t.Errorf("%d are unchecked, want %d", n, clients-1)
	}
}
