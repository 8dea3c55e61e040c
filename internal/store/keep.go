package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// schemaMark is in the name of a copy from before a migration, before the
	// schema's number.
	schemaMark = ".schema-"
	// schemaCopies is how many of them are kept.
	schemaCopies = 2
)

// newerSchema says what to do with a ledger of a newer grantd.
func newerSchema(path string, is, known int) error {
	err := fmt.Errorf("%w: its schema is %d, this grantd knows %d; install the newer grantd again", ErrNewerSchema, is, known)
	before := fmt.Sprintf("%s%s%d", path, schemaMark, known)
	if _, missing := os.Stat(before); missing != nil {
		return err
	}
	return fmt.Errorf("%w, or, to give up what the newer one did, restore the copy from before the upgrade: grantd ledger restore %s", err, before)
}

// keepCopy copies the ledger to path.schema-N, complete and synced when it
// returns, and keeps the newest copies only.
func (l *Ledger) keepCopy(version int) error {
	temp, err := writeTemp(l.path, func(w io.Writer) error {
		_, err := l.copyTo(context.Background(), w)
		return err
	})
	if err != nil {
		if errors.Is(err, ErrUnavailable) {
			if info, statErr := os.Stat(l.path); statErr == nil {
				err = fmt.Errorf("%w; it takes %d bytes in %s", err, info.Size(), filepath.Dir(l.path))
			}
		}
		return err
	}
	if err := place(temp, l.path+schemaMark+strconv.Itoa(version)); err != nil {
		return err
	}
	return l.forgetCopies()
}

// forgetCopies removes all but the newest copies.
func (l *Ledger) forgetCopies() error {
	names, err := filepath.Glob(escapeGlob(l.path) + schemaMark + "*")
	if err != nil {
		return err
	}
	number := func(name string) int {
		n, err := strconv.Atoi(strings.TrimPrefix(name, l.path+schemaMark))
		if err != nil {
			return -1 // somebody else's
		}
		return n
	}
	names = slices.DeleteFunc(names, func(name string) bool { return number(name) < 0 })
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
	for _, name := range names[min(schemaCopies, len(names)):] {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
