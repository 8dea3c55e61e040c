package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// populate fills every bucket of a new ledger and closes it.
func populate(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, at(path))
	record(t, l, registered("tpc_a", "log1"), registered("tpc_b", "log2"))
	r := client(t, l, "tpc_a")
	r.Phase, r.NextAttemptAt, r.GrantID = dcr.Ready, r.ReadyAt, "cgr_a"
	hold := dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Until: r.FirstSeenAt.Add(time.Hour)}
	if _, err := l.Save(t.Context(), dcr.Outcome{Record: r, Changes: []dcr.Change{{Step: dcr.StepGrant}}, Holds: []dcr.Hold{hold}}); err != nil {
		t.Fatal(err)
	}
	if err := l.AddJournal(t.Context(), dcr.JournalEntry{Change: dcr.Change{Step: dcr.StepScopes}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Record(t.Context(), store.Batch{Feed: dcr.FeedPoll, Status: dcr.FeedStatus{Checkpoint: r.FirstSeenAt}}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.SetDigest(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	settle(t, l, "tpc_a", dcr.Ready)
	record(t, l, registered("tpc_c", "log3"))
	settle(t, l, "tpc_c", dcr.Refused)
	if err := errors.Join(l.SetFact(t.Context(), "health", []byte("{}")), l.Check(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCheckFinds: a single stray, missing or unreadable value is found.
func TestCheckFinds(t *testing.T) {
	firstKey := func(tx *bolt.Tx, bucket string) []byte {
		k, _ := tx.Bucket([]byte(bucket)).Cursor().First()
		return append([]byte(nil), k...)
	}
	remove := func(bucket string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete(firstKey(tx, bucket)) }
	}
	put := func(bucket, key, value string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte(value)) }
	}
	tests := []struct {
		name string
		edit func(*bolt.Tx) error
		want string
	}{
		{"record removed", remove("clients"), "stray entry of client"},
		{"record unreadable", put("clients", "tpc_a", "{"), `record of client "tpc_a"`},
		{"record of another", put("clients", "tpc_a", `{"client_id":"tpc_b"}`), `is of "tpc_b"`},
		{"record of no phase", put("clients", "tpc_a", `{"client_id":"tpc_a","phase":"done"}`), `phase "done"`},
		{"record of the future", put("clients", "tpc_c", `{"client_id":"tpc_c","phase":"ready","seq":99}`), "of the future"},
		{"due entry missing", remove("due"), "missing from the due index"},
		{"due entry stray", put("due", "u12345678tpc_a", ""), "due index has a stray entry"},
		{"due entry of another source", func(tx *bolt.Tx) error { return tx.Bucket([]byte("due")).Put(firstKey(tx, "due"), []byte("00000000")) }, `of source "00000000"`},
		{"due entry short", put("due", "u", ""), "due index has a stray entry"},
		{"phase entry missing", remove("phases"), "missing from the phase index"},
		{"phase entry stray", put("phases", "gone\x00tpc_a", ""), "phase index has a stray entry"},
		{"entry by age missing", remove("newest"), "missing from the index by age"},
		{"entry by age stray", put("newest", "12345678tpc_a", "ready"), "index by age has a stray entry"},
		{"entry by age short", put("newest", "1", "ready"), "index by age has a stray entry"},
		{"grant entry missing", remove("grants"), "missing from the grant index"},
		{"grant entry stray", put("grants", "cgr_b", "tpc_a"), "grant index has a stray entry"},
		{"counter off", put("counts", "ready", "7"), "says 7 ready clients, there are 1"},
		{"counter unreadable", put("counts", "ready", "many"), "counter ready"},
		{"journal entry missing", remove("journal"), "the journal has 0 entries of clients, its index 1"},
		{"journal entry unreadable", put("journal", "\x00\x00\x00\x00\x00\x00\x00\x01", "{"), "journal entry 1 is unreadable"},
		{"journal index missing", remove("journal_clients"), "missing from the index by client"},
		{"journal entry of a client stray", put("journal_clients", "tpc_a\x00\x00\x00\x00\x00\x00\x00\x00\x02", ""), "1 entries of clients, its index 2"},
		{"hold unreadable", put("holds", "field\x00tpc_a\x00grant", "{"), "hold"},
		{"hold of another", put("holds", "field\x00tpc_a\x00grant", `{"scope":"all"}`), `is "all`},
		{"hold more than counted", put("holds", "all\x00\x00", `{"scope":"all"}`), "says 1 holds, there are 2"},
		{"hold missing", remove("holds"), "0 holds end, their index has 1"},
		{"hold's end missing", remove("hold_times"), "missing from the index by time"},
		{"holds counter unreadable", put("counts", "holds", "few"), "counter holds"},
		{"log entry missing", remove("seen"), "2 log entries are remembered, their index has 3"},
		{"log entry's time missing", remove("seen_times"), "missing from the index by time"},
		{"feed unreadable", put("feeds", "poll", "{"), `status of feed "poll"`},
		{"resting entry missing", remove("resting"), "missing from the index of those that rest"},
		{"resting entry stray", put("resting", "12345678tpc_a", ""), "stray entry of \"tpc_a\""},
		{"resting counter off", put("counts", "resting", "7"), "says 7 clients rest, 1 do"},
		{"journal size off", put("counts", "journal_bytes", "7"), "says the journal has 7 bytes"},
		{"tenant missing", func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("prefix")) }, "prefix is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := populate(t)
			tamper(t, path, tt.edit)
			l, err := childOpen(path)
			if err == nil {
				err = l.Check(t.Context())
				defer func() { _ = l.Close() }()
			}
			if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestCheckReadOnly(t *testing.T) {
	path := populate(t)
	storetest.Open(t, at(path), readOnly) // its cleanup checks
	storetest.Open(t, at(path), readOnly)
}

// TestUnreadableRecord: one that cannot be read is named, and does not keep
// others from being recorded.
func TestUnreadableRecord(t *testing.T) {
	path := populate(t)
	tamper(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("clients")).Put([]byte("tpc_a"), []byte("{")) })
	l, err := childOpen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := l.Client(t.Context(), "tpc_a"); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "tpc_a") {
		t.Errorf("client: %v", err)
	}
	if got := record(t, l, registered("tpc_c", "log9")); got.Registrations != 1 {
		t.Errorf("recorded %+v", got)
	}
}
