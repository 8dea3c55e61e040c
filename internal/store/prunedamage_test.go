package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"grantd/internal/dcr"
)

// What cannot be read any more and is to be forgotten keeps nothing else from
// being written, and leaves no trace in indexes and counters.
func TestPruneDamaged(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	l, err := Open(t.Context(), Options{
		Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a",
		Journal: JournalLimits{MaxAge: time.Hour}, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b := l.group.limits()
	b.resting = 2
	l.group.bounds.Store(&b)

	entry := dcr.JournalEntry{ClientID: "tpc_a", Change: dcr.Change{Step: dcr.StepGrant}}
	if err := l.AddJournal(t.Context(), entry, entry); err != nil {
		t.Fatal(err)
	}
	refuse := func(id string) error {
		return l.update(t.Context(), func(t tx) error {
			return t.put(dcr.Record{}, dcr.Record{ClientID: id, Phase: dcr.Refused, FirstSeenAt: now})
		})
	}
	for _, id := range []string{"tpc_bad", "tpc_b"} {
		if err := refuse(id); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	err = l.update(t.Context(), func(t tx) error {
		v := t.journal().Get(seqKey(1))
		bad := append([]byte("?"), v[1:]...) // of the same size
		if err := t.journal().Put(seqKey(1), bad); err != nil {
			return err
		}
		return t.clients().Put([]byte("tpc_bad"), []byte("?"))
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := l.AddJournal(t.Context(), entry); err != nil {
		t.Errorf("add to journal: %v", err)
	}
	if err := refuse("tpc_c"); err != nil {
		t.Errorf("refuse: %v", err)
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
	page, _, err := l.Journal(t.Context(), JournalQuery{})
	if err != nil || len(page) != 2 {
		t.Errorf("%d entries, %v", len(page), err)
	}
	counts, err := l.Counts(t.Context())
	if err != nil || counts[dcr.Refused] != 2 {
		t.Errorf("%v, %v", counts, err)
	}
}

// Entries of an index that are of nothing are forgotten alone, and once: neither
// is a client that is ready forgotten for one, nor is there no end of pruning.
func TestPruneDanglingEntries(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	l, err := Open(t.Context(), Options{
		Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a", Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b := l.group.limits()
	b.resting = 1
	l.group.bounds.Store(&b)
	err = l.update(t.Context(), func(t tx) error {
		refused := dcr.Record{ClientID: "tpc_refused", Phase: dcr.Refused, FirstSeenAt: now}
		ready := dcr.Record{ClientID: "tpc_ready", Phase: dcr.Ready, FirstSeenAt: now, ReadyAt: now, GrantID: "cgr_1", GrantMade: true}
		ended := dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_ready", Until: now.Add(-2 * holdKept)}
		return errors.Join(
			t.put(dcr.Record{}, refused), t.put(dcr.Record{}, ready),
			t.resting().Put(append(timeKey(now.Add(-time.Hour)), "tpc_ready"...), nil), t.addCount(countResting, 1),
			t.holdTimes().Put(holdTimeKey(ended), nil),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if _, err := l.Prune(ctx); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"tpc_refused", "tpc_ready"} {
		if _, err := l.Client(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A journal entry and a place in the queue that cannot be read hide no others.
func TestUnreadableHidesNothing(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	l, err := Open(t.Context(), Options{
		Path: filepath.Join(t.TempDir(), "grantd.db"), Tenant: "t", Audience: "a", Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	entry := dcr.JournalEntry{ClientID: "tpc_a", Change: dcr.Change{Step: dcr.StepGrant}}
	if err := l.AddJournal(t.Context(), entry, entry, entry); err != nil {
		t.Fatal(err)
	}
	err = l.update(t.Context(), func(t tx) error {
		due := dcr.Record{ClientID: "tpc_a", Phase: dcr.Pending, NextAttemptAt: now, Class: dcr.Urgent}
		return errors.Join(
			t.put(dcr.Record{}, due), t.journal().Put(seqKey(2), []byte("?")),
			t.due().Put([]byte{classKey(dcr.Urgent), 1}, nil),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	if page, _, err := l.Journal(t.Context(), JournalQuery{ClientID: "tpc_a"}); err != nil || len(page) != 2 || page[1].Seq != 1 {
		t.Errorf("journal %+v, %v", page, err)
	}
	if due, _, err := l.Due(t.Context(), dcr.Urgent, now, 10); err != nil || len(due) != 1 || due[0].ID != "tpc_a" {
		t.Errorf("due %+v, %v", due, err)
	}
}
