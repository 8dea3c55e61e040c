// Package storetest opens ledgers for tests.
package storetest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"grantd/internal/store"
)

// What a test's ledger belongs to, unless it says otherwise.
const (
	Tenant   = "tenant.eu.auth0.com"
	Audience = "https://mcp.example.com/"
)

// Open opens a ledger in a directory of the test's own, or at the options'
// path. When the test ends the ledger is checked, if it was not closed by then,
// and closed.
func Open(t testing.TB, options ...func(*store.Options)) *store.Ledger {
	t.Helper()
	o := store.Options{Tenant: Tenant, Audience: Audience}
	for _, set := range options {
		set(&o)
	}
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "grantd.db")
	}
	l, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Check(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
