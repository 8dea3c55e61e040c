package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func at(path string) func(*store.Options) { return func(o *store.Options) { o.Path = path } }

func readOnly(o *store.Options) { o.ReadOnly = true }

func TestOpenNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, at(path))
	if !regexp.MustCompile(`^grantd-[0-9a-f]{12}-$`).MatchString(l.Prefix()) {
		t.Errorf("prefix %q", l.Prefix())
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	if other := storetest.Open(t); other.Prefix() == l.Prefix() {
		t.Error("two ledgers have the same prefix")
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Errorf("close twice: %v", err)
	}
	if _, err := l.Client(t.Context(), "a"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a call after close: %v", err)
	}
	if err := l.SetFact(t.Context(), "a", nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a write after close: %v", err)
	}
	if again := storetest.Open(t, at(path)); again.Prefix() != l.Prefix() {
		t.Error("the prefix changed")
	}
}

func TestOpenLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	storetest.Open(t, at(path))
	for _, option := range []func(*store.Options){func(*store.Options) {}, readOnly} {
		_, unknown := os.Stat("/proc/locks")
		for tries := 1; ; tries++ {
			_, err := childOpen(path, option)
			if !errors.Is(err, store.ErrLocked) {
				t.Fatalf("error %v", err)
			}
			if unknown != nil || strings.Contains(err.Error(), fmt.Sprintf("by process %d;", os.Getpid())) {
				break
			}
			if tries == 10 { // what others lock and unlock while it is read may hide a line
				t.Fatalf("the error does not name the process: %v", err)
			}
		}
	}
}

func TestOpenReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grantd.db")
	if _, err := childOpen(path, readOnly); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a ledger that is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("reading made a file")
	}
	l := storetest.Open(t, at(path))
	record(t, l, registered("tpc_a", "log1"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	first := storetest.Open(t, at(path), readOnly, func(o *store.Options) { o.Tenant, o.Audience = "", "" })
	second := storetest.Open(t, at(path), readOnly)
	for _, l := range []*store.Ledger{first, second} {
		if r := client(t, l, "tpc_a"); r.Name != "ChatGPT" {
			t.Errorf("%+v", r)
		}
		if l.Prefix() == "" {
			t.Error("no prefix")
		}
		if err := l.SetFact(t.Context(), "k", nil); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("set fact: %v", err)
		}
		if _, err := l.Record(t.Context(), store.Batch{Feed: "poll"}); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("record: %v", err)
		}
	}
}

func TestOpenIdentity(t *testing.T) {
	tenant := func(s string) func(*store.Options) { return func(o *store.Options) { o.Tenant = s } }
	audience := func(s string) func(*store.Options) { return func(o *store.Options) { o.Audience = s } }
	accept := func(o *store.Options) { o.AcceptAudienceChange = true }
	tests := []struct {
		name    string
		options []func(*store.Options)
		want    error
		words   string
	}{
		{"the same", nil, nil, ""},
		{"another tenant", []func(*store.Options){tenant("other.eu.auth0.com")}, store.ErrOtherTenant, "other.eu.auth0.com"},
		{"another tenant, audience accepted", []func(*store.Options){tenant("other.eu.auth0.com"), accept}, store.ErrOtherTenant, ""},
		{"another tenant, reading", []func(*store.Options){tenant("other.eu.auth0.com"), readOnly}, store.ErrOtherTenant, ""},
		{"another audience", []func(*store.Options){audience("https://other/")}, store.ErrOtherAudience, "--accept-audience-change"},
		{"another audience, reading", []func(*store.Options){audience("https://other/"), accept, readOnly}, store.ErrOtherAudience, ""},
		{"another audience, accepted", []func(*store.Options){audience("https://other/"), accept}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grantd.db")
			l := storetest.Open(t, at(path))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := childOpen(path, tt.options...)
			if !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil {
				if again.Prefix() != l.Prefix() {
					t.Error("the prefix changed")
				}
				if err := again.Close(); err != nil {
					t.Fatal(err)
				}
				storetest.Open(t, append(tt.options, at(path), func(o *store.Options) { o.AcceptAudienceChange = false })...)
			} else {
				storetest.Open(t, at(path)) // the refused one let go of it
			}
		})
	}
	if _, err := childOpen(filepath.Join(t.TempDir(), "grantd.db"), tenant("")); err == nil {
		t.Error("a ledger of no tenant")
	}
}

func TestOpenUnsafe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "grantd.db")
	if err := storetest.Open(t, at(path)).Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{link, dir} {
		if _, err := childOpen(p); !errors.Is(err, store.ErrUnsafe) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := childOpen(filepath.Join(dir, "missing", "grantd.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	storetest.Open(t, at(path))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

// tamper edits a closed ledger behind its back.
func tamper(t *testing.T, path string, edit func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(edit), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSchema(t *testing.T) {
	version := func(v string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("version"), []byte(v)) }
	}
	tests := []struct {
		name string
		edit func(*bolt.Tx) error
		want error
	}{
		{"newer", version("99"), store.ErrNewerSchema},
		{"unreadable", version("new"), store.ErrCorrupt},
		{"negative", version("-1"), store.ErrCorrupt},
		{"none", func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("version")) }, store.ErrCorrupt},
		{"of something else", func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("meta")) }, store.ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grantd.db")
			if err := storetest.Open(t, at(path)).Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, path, tt.edit)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := childOpen(path); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(before) {
				t.Errorf("the file was written, error %v", err)
			}
		})
	}
	t.Run("empty bbolt file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "grantd.db")
		tamper(t, path, func(*bolt.Tx) error { return nil })
		if _, err := childOpen(path, readOnly); !errors.Is(err, store.ErrOlderSchema) {
			t.Errorf("reading: %v", err)
		}
		storetest.Open(t, at(path))
	})
}

// A ledger that changes its audience knows nothing of the grants for the new
// one: none of them is grantd's, and no sweep has ended yet.
func TestAudienceChangeDisowns(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, at(path), c.option)
	if err := l.SetFeed(t.Context(), dcr.FeedSweep, dcr.FeedStatus{LastSuccessAt: c.at}); err != nil {
		t.Fatal(err)
	}
	record(t, l, registered("tpc_a", "log1"))
	settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.GrantID, r.GrantMade = "cgr_a", true })
	before := client(t, l, "tpc_a")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = storetest.Open(t, at(path), c.option, func(o *store.Options) { o.Audience, o.AcceptAudienceChange = "https://other/", true })
	r := client(t, l, "tpc_a")
	if r.GrantID != "" || r.GrantMade || !r.Unadopted || r.Seq <= before.Seq || l.FirstSweepEnded() {
		t.Errorf("first sweep ended %v, %+v", l.FirstSweepEnded(), r)
	}
	record(t, l, dcr.Sighting{Kind: dcr.Changed, Class: dcr.Urgent, GrantID: "cgr_a", LogID: "log2"})
	if r := client(t, l, "tpc_a"); r.Phase != dcr.Ready {
		t.Error("an edit of the old audience's grant makes the client due")
	}
}
