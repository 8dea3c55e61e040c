package store_test

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"", "1", "0", "-1", "18446744073709551615", "1e3", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seq, err := store.ParseCursor(s)
		if err != nil && !errors.Is(err, store.ErrCursor) {
			t.Errorf("error %v", err)
		}
		if err == nil && (seq == 0) != (s == "") {
			t.Errorf("cursor %q is %d", s, seq)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add("a", []byte(`{"client_id":"a","phase":"ready","seq":1}`))
	f.Add("a", []byte(`{"client_id":"b"}`))
	f.Add("a", []byte(`{"client_id":"a","first_seen_at":"yesterday"}`))
	f.Fuzz(func(t *testing.T, id string, v []byte) {
		r, err := store.DecodeRecord(id, v)
		if err != nil && !errors.Is(err, store.ErrCorrupt) || err == nil && r.ClientID != id {
			t.Errorf("%+v, error %v", r, err)
		}
	})
}

func FuzzDueKey(f *testing.F) {
	f.Add("tpc_a", true, int64(0), int64(1))
	f.Add("", false, int64(-1), int64(1<<40))
	f.Fuzz(func(t *testing.T, id string, urgent bool, a, b int64) {
		class := dcr.Background
		if urgent {
			class = dcr.Urgent
		}
		ta, tb := time.UnixMicro(a), time.UnixMicro(b)
		if ta.IsZero() || tb.IsZero() {
			t.Skip("never due")
		}
		ka := store.DueKey(dcr.Record{ClientID: id, Class: class, NextAttemptAt: ta})
		kb := store.DueKey(dcr.Record{ClientID: id, Class: class, NextAttemptAt: tb})
		if (string(ka) < string(kb)) != ta.Before(tb) {
			t.Errorf("keys of %v and %v are in the wrong order", ta, tb)
		}
		at, got, ok := store.ParseDue(ka)
		if !ok || got != id || !at.Equal(ta) {
			t.Errorf("%v, %q, %v; want %v, %q", at, got, ok, ta, id)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("u12345678tpc_a"))
	f.Add([]byte("tpc_a\x0012345678"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, k []byte) {
		store.ParseDue(k)
		if id, seq, ok := store.ParseJournalClient(k); ok && string(store.JournalClientKey(id, seq)) != string(k) {
			t.Errorf("key %q is read as %q, %d", k, id, seq)
		}
	})
}

func FuzzSource(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0", "1.2.3", "999.1.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		got := store.SourceOf("prefix", address)
		if _, err := hex.DecodeString(got); err != nil || len(got) != 0 && len(got) != 8 {
			t.Errorf("source %q of %q", got, address)
		}
	})
}

func FuzzDecodeHold(f *testing.F) {
	f.Add([]byte("all\x00\x00"), []byte(`{"scope":"all","until":"2026-11-20T12:00:00Z"}`))
	f.Add([]byte("field\x00tpc_a\x00grant"), []byte(`{"scope":"field","client_id":"tpc_a","field":"grant"}`))
	f.Add([]byte("client\x00tpc_a\x00"), []byte(`{"scope":"client"}`))
	f.Fuzz(func(t *testing.T, k, v []byte) {
		h, err := store.DecodeHold(k, v)
		if err != nil && !errors.Is(err, store.ErrCorrupt) || err == nil && string(store.HoldKey(h)) != string(k) {
			t.Errorf("%+v, error %v", h, err)
		}
	})
}
