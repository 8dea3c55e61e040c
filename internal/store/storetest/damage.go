package storetest

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"

	"grantd/internal/store"
)

// Damage makes the record of a client unreadable, in the file of a ledger that
// may be open: as a failing disk would, behind its back.
func Damage(t testing.TB, path, id string) {
	t.Helper()
	record := `{"client_id":"` + id + `"`
	if err := patch(path, record, "\x00"+record[1:]); err != nil {
		t.Fatal(err)
	}
}

// SetSchema makes a closed ledger say that it is of another schema, from 1 to
// 9, as one that another grantd wrote does.
func SetSchema(path string, number int) error {
	return patch(path, "version"+strconv.Itoa(store.Schema()), "version"+strconv.Itoa(number))
}

// patch replaces bytes wherever they are in the file, also in pages that are
// not used any more, where it does no harm.
func patch(path, from, to string) error {
	if len(from) != len(to) {
		return fmt.Errorf("%q is not as long as %q", to, from)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	found := 0
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], []byte(from))
		if i < 0 {
			break
		}
		at += i
		if _, err := f.WriteAt([]byte(to), int64(at)); err != nil {
			return err
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("%s has no %q", path, from)
	}
	return nil
}
