package storetest

import (
	"bytes"
	"os"
	"testing"
)

// Damage makes the record of a client unreadable, in the file of a ledger that
// may be open: as a failing disk would, behind its back.
func Damage(t testing.TB, path, id string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Also in pages that are not used any more, which does no harm.
	record, found := []byte(`{"client_id":"`+id+`"`), 0
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], record)
		if i < 0 {
			break
		}
		at += i
		if _, err := f.WriteAt([]byte{0}, int64(at)); err != nil {
			t.Fatal(err)
		}
		found++
	}
	if found == 0 {
		t.Fatalf("no record of client %s to damage", id)
	}
}
