package store_test

import (
	"fmt"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// TestQueueUnlisted: of the clients that a list did not show, which are queued.
func TestQueueUnlisted(t *testing.T) {
	c := newClock()
	since := c.at.Add(-time.Minute)
	ago := func(d time.Duration, digest string, change ...func(*dcr.Record)) func(*dcr.Record) {
		return func(r *dcr.Record) {
			r.Phase, r.LastCheckedAt, r.Digest, r.SecurityMode = dcr.Ready, since.Add(-d), digest, dcr.Strict
			for _, f := range change {
				f(r)
			}
		}
	}
	records := map[string]func(*dcr.Record){
		"never": func(r *dcr.Record) {},
		"old1":  ago(time.Hour, "d0"),
		"old2":  ago(1, "d0", func(r *dcr.Record) { r.Phase = dcr.Refused }),
		"unchecked": ago(time.Hour, "d0", func(r *dcr.Record) {
			r.Phase, r.Reason, r.Cause = dcr.Pending, dcr.Unchecked, dcr.Cause{Feed: dcr.FeedConfig}
		}),
		"late1":   ago(3*time.Hour, "d1"),
		"late2":   ago(5*time.Hour, "d1"),
		"late3":   ago(4*time.Hour, "d1"),
		"shown":   ago(0, "d0"),
		"gone":    ago(time.Hour, "d0", func(r *dcr.Record) { r.Phase = dcr.Gone }),
		"ours":    ago(time.Hour, "d0", func(r *dcr.Record) { r.SecurityMode = "" }),
		"planned": ago(time.Hour, "d0", func(r *dcr.Record) { r.NextAttemptAt, r.Class = c.at.Add(time.Hour), dcr.Background }),
	}
	records["ahead"] = ago(-24*time.Hour, "d0") // the clock was set back since
	old := []string{"ahead", "never", "old1", "old2", "unchecked"}
	tests := []struct {
		limit  int
		others []string
	}{
		{0, nil},
		{1, []string{"late2"}},
		{2, []string{"late2", "late3"}},
		{3, []string{"late1", "late2", "late3"}},
		{1 << 62, []string{"late1", "late2", "late3"}},
		{-1, []string{"late1", "late2", "late3"}},
	}
	cause := dcr.Cause{Feed: dcr.FeedSweep, Digest: "d1"}
	for _, tt := range tests {
		t.Run(fmt.Sprint("limit ", tt.limit), func(t *testing.T) {
			l := storetest.Open(t, c.option)
			before := map[string]dcr.Record{}
			for id, change := range records {
				record(t, l, registered(id, "log-"+id))
				settle(t, l, id, dcr.Pending, func(r *dcr.Record) { r.Cause = dcr.Cause{LogID: id}; change(r) })
				before[id] = client(t, l, id)
			}
			unchecked, others, err := l.QueueUnlisted(t.Context(), since, "d1", tt.limit, cause)
			if err != nil || unchecked != len(old) || others != len(tt.others) {
				t.Errorf("%d and %d queued, want %d and %d; error %v", unchecked, others, len(old), len(tt.others), err)
			}
			want := map[string]bool{}
			for _, id := range append(old, tt.others...) {
				want[id] = true
			}
			for id, was := range before {
				r := client(t, l, id)
				if !want[id] {
					diff(t, r, was)
					continue
				}
				if !r.NextAttemptAt.Equal(c.at) || r.Class != dcr.Background || r.Seq <= was.Seq {
					t.Errorf("%s is not due: %+v", id, r)
				}
				if id == "unchecked" { // the configuration is why
					diff(t, r.Cause, was.Cause)
				} else {
					diff(t, r.Cause, cause)
				}
			}
			if unchecked, others, err := l.QueueUnlisted(t.Context(), since, "d1", 0, cause); unchecked+others != 0 || err != nil {
				t.Errorf("again: %d and %d, error %v", unchecked, others, err)
			}
		})
	}
}

// Many more than fit one transaction, and more than are chosen from at once.
func TestQueueUnlistedMany(t *testing.T) {
	const clients, limit = 5000, 1200
	c := newClock()
	l := storetest.Open(t, c.option)
	var found []store.Swept
	for i := range clients {
		found = append(found, store.Swept{Record: dcr.Record{
			ClientID: fmt.Sprintf("tpc_%04d", i), Phase: dcr.Ready, SecurityMode: dcr.Strict, Digest: "d1",
			LastCheckedAt: c.at.Add(time.Duration((i*7919)%clients) * time.Second), // 7919 is prime: each once
		}})
	}
	saveSwept(t, l, found...)
	c.advance(24 * time.Hour)
	if unchecked, others, err := l.QueueUnlisted(t.Context(), c.at, "d1", limit, dcr.Cause{}); unchecked != 0 || others != limit || err != nil {
		t.Errorf("%d and %d queued, error %v", unchecked, others, err)
	}
	for i, f := range found {
		r := client(t, l, f.Record.ClientID)
		if longest := (i*7919)%clients < limit; longest == r.NextAttemptAt.IsZero() {
			t.Fatalf("client last checked at %v: due %v", r.LastCheckedAt, r.NextAttemptAt)
		}
	}
}
