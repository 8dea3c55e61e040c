package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// withBadRecord is a ledger of two clients, of which tpc_bad, in the phase
// given, has a record that cannot be read.
func withBadRecord(t *testing.T, p dcr.Phase, value string) (*store.Ledger, string) {
	t.Helper()
	path := t.TempDir() + "/grantd.db"
	l, err := childOpen(path)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, registered("tpc_bad", "log1"), registered("tpc_good", "log2"))
	if p != dcr.Pending {
		settle(t, l, "tpc_bad", p, func(r *dcr.Record) { r.GrantID = "cgr_bad" })
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tamper(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("clients")).Put([]byte("tpc_bad"), []byte(value)) })
	return storetest.Open(t, at(path)), path
}

// TestMend: a record that cannot be read is said by the check, set aside once,
// and its client is due anew; the rest goes on.
func TestMend(t *testing.T) {
	for _, p := range []dcr.Phase{dcr.Pending, dcr.Ready, dcr.Refused} {
		for _, value := range []string{"{\x00 garbage", "", `{"client_id":"tpc_other"}`, `{"client_id":7}`} {
			t.Run(string(p)+value, func(t *testing.T) {
				l, path := withBadRecord(t, p, value)
				if err := l.Check(t.Context()); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "tpc_bad") {
					t.Errorf("check: %v", err)
				}
				if _, err := l.Client(t.Context(), "tpc_bad"); !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("client: %v", err)
				}
				if page, _, err := l.Clients(t.Context(), store.Query{}); err != nil || len(page) != 1 || page[0].ClientID != "tpc_good" {
					t.Errorf("list %v, %v", page, err)
				}
				if got, err := l.Records(t.Context(), []string{"tpc_bad", "tpc_good"}); err != nil || len(got) != 1 {
					t.Errorf("records %v, %v", got, err)
				}
				if mended, err := l.Mend(t.Context(), "tpc_bad"); !mended || err != nil {
					t.Fatalf("%v, %v", mended, err)
				}
				if mended, err := l.Mend(t.Context(), "tpc_bad"); mended || err != nil {
					t.Errorf("again: %v, %v", mended, err)
				}
				r := client(t, l, "tpc_bad")
				if r.Phase != dcr.Pending || !r.Unadopted || r.GrantMade || r.Seq == 0 {
					t.Errorf("%+v", r)
				}
				due, _, err := l.Due(t.Context(), dcr.Background, time.Now().Add(time.Second), 10)
				if err != nil || !slices.Equal(idsOf(due), []string{"tpc_bad"}) {
					t.Errorf("due %v, %v", due, err)
				}
				if err := errors.Join(l.Check(t.Context()), l.Close()); err != nil {
					t.Error(err)
				}
				if r := sound(t, path); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], `"tpc_bad" was unreadable`) {
					t.Errorf("notes %q", r.Notes)
				}
			})
		}
	}
}

// TestBadRecordRefusesNothing: deliveries, outcomes, sweeps and edits that
// touch a record that cannot be read set it aside and go on.
func TestBadRecordRefusesNothing(t *testing.T) {
	for name, touch := range map[string]func(*store.Ledger) error{
		"registered": func(l *store.Ledger) error {
			record(t, l, registered("tpc_bad", "log3"), registered("tpc_new", "log4"))
			return nil
		},
		"changed": func(l *store.Ledger) error {
			record(t, l, dcr.Sighting{Kind: dcr.Changed, ClientID: "tpc_bad", LogID: "log3"})
			return nil
		},
		"saved": func(l *store.Ledger) error {
			_, err := l.Save(t.Context(), dcr.Outcome{Record: dcr.Record{ClientID: "tpc_bad", Phase: dcr.Ready, Seq: 1}})
			return err
		},
		"swept": func(l *store.Ledger) error {
			_, err := l.SaveSwept(t.Context(), []store.Swept{{Record: dcr.Record{ClientID: "tpc_bad", Phase: dcr.Ready}, ObservedAt: time.Now()}})
			return err
		},
		"digest": func(l *store.Ledger) error {
			if _, err := l.SetDigest(t.Context(), "d2"); err != nil {
				return err
			}
			_, err := l.Mend(t.Context(), "tpc_bad")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := withBadRecord(t, dcr.Ready, "{")
			if err := touch(l); err != nil {
				t.Fatal(err)
			}
			if r := client(t, l, "tpc_bad"); r.Phase != dcr.Pending || r.NextAttemptAt.IsZero() {
				t.Errorf("%+v", r)
			}
			if err := l.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMendStray: a client that the queue has and that has no record is taken
// out of the queue.
func TestMendStray(t *testing.T) {
	path := filled(t, 1)
	key := store.DueKey(dcr.Record{ClientID: "tpc_stray", NextAttemptAt: newClock().at, Class: dcr.Urgent})
	tamper(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("due")).Put(key, nil) })
	l := storetest.Open(t, at(path))
	if mended, err := l.Mend(t.Context(), "tpc_stray"); !mended || err != nil {
		t.Errorf("%v, %v", mended, err)
	}
	if mended, err := l.Mend(t.Context(), "tpc_none"); mended || err != nil {
		t.Errorf("a client that nobody knows: %v, %v", mended, err)
	}
}
