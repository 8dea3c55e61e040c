package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// sightings make clients due one microsecond after the other.
func (c *clock) sightings(t *testing.T, l *store.Ledger, class dcr.Class, address string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		s := registered(id, "log-"+id)
		s.Class, s.SourceIP = class, address
		record(t, l, s)
		c.advance(time.Microsecond)
	}
}

func TestDueTurns(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	c.sightings(t, l, dcr.Urgent, "192.0.2.1", "a1", "a2", "a3", "a4")
	c.sightings(t, l, dcr.Urgent, "", "n1", "n2")
	c.sightings(t, l, dcr.Urgent, "2001:db8::1", "b1")
	c.sightings(t, l, dcr.Urgent, "192.0.2.1", "a5")
	c.sightings(t, l, dcr.Urgent, "2001:db8::ffff", "b2") // the same network
	c.sightings(t, l, dcr.Urgent, "not an address", "n3")
	c.sightings(t, l, dcr.Background, "192.0.2.1", "x1", "x2")
	c.sightings(t, l, dcr.Background, "192.0.2.2", "y1")
	turns := []string{"a1", "n1", "b1", "a2", "n2", "b2", "a3", "n3", "a4", "a5"}
	for limit := range len(turns) + 2 {
		due, _, err := l.Due(t.Context(), dcr.Urgent, c.at, limit)
		if err != nil || !slices.Equal(idsOf(due), turns[:min(limit, len(turns))]) {
			t.Errorf("of %d: %v, error %v", limit, due, err)
		}
	}
	background, _, err := l.Due(t.Context(), dcr.Background, c.at, 10)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, idsOf(background), []string{"x1", "x2", "y1"})
	due, _, err := l.Due(t.Context(), dcr.Urgent, c.at, 3)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, due, []store.DueClient{
		{ID: "a1", Source: store.SourceOf(l.Prefix(), "192.0.2.1")}, {ID: "n1"}, {ID: "b1", Source: store.SourceOf(l.Prefix(), "2001:db8::")},
	})
}

// Beyond so many that are due, they come by time.
func TestDueTurnsBound(t *testing.T) {
	c := newClock()
	l := storetest.Open(t, c.option)
	var all []dcr.Sighting
	for n := range store.MaxTurns {
		s := registered(fmt.Sprintf("stranger_%05d", n), fmt.Sprint("log", n))
		s.SourceIP = "192.0.2.1"
		all = append(all, s)
	}
	record(t, l, all...)
	c.advance(time.Second)
	c.sightings(t, l, dcr.Urgent, "192.0.2.2", "late")
	for limit, want := range map[int]int{2: -1, store.MaxTurns + 1: store.MaxTurns} {
		due, _, err := l.Due(t.Context(), dcr.Urgent, c.at, limit)
		if err != nil || len(due) != limit {
			t.Fatalf("%d due, error %v", len(due), err)
		}
		if i := slices.Index(idsOf(due), "late"); i != want {
			t.Errorf("limit %d: the late one is at %d, want %d", limit, i, want)
		}
	}
}

// The newest urgent sighting says on whose account a client is due, and the
// index of due clients follows.
func TestSource(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "grantd.db")
	l := storetest.Open(t, c.option, at(path))
	source := func() string {
		t.Helper()
		if err := l.Check(t.Context()); err != nil {
			t.Error(err)
		}
		return client(t, l, "tpc_a").Source
	}
	see := func(class dcr.Class, address string) string {
		c.advance(time.Second)
		record(t, l, dcr.Sighting{Kind: dcr.Changed, Class: class, ClientID: "tpc_a", LogID: c.at.String(), SourceIP: address})
		return source()
	}
	c.sightings(t, l, dcr.Urgent, "198.51.100.77", "tpc_a")
	first := source()
	if len(first) != 8 || first == see(dcr.Urgent, "198.51.100.78") {
		t.Errorf("source %q, also of another address", first)
	}
	if got := see(dcr.Urgent, "::ffff:198.51.100.77"); got != first {
		t.Errorf("source %q of the address as IPv6, %q as IPv4", got, first)
	}
	if got := see(dcr.Background, "198.51.100.78"); got != first {
		t.Errorf("source %q after a background sighting, want %q", got, first)
	}
	settle(t, l, "tpc_a", dcr.Ready, func(r *dcr.Record) { r.Source = "other" })
	if got := source(); got != first {
		t.Errorf("source %q after a save, want %q", got, first)
	}
	if got := see(dcr.Urgent, ""); got != "" {
		t.Errorf("source %q of a sighting without address", got)
	}
	if other := storetest.Open(t); store.SourceOf(other.Prefix(), "198.51.100.77") == first {
		t.Error("another ledger calls the address the same")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil || bytes.Contains(file, []byte("198.51.100.")) {
		t.Errorf("the address is in the file, or the file cannot be read: %v", err)
	}
}
