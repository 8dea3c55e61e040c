package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// A command that works without a daemon goes by the ledger of the service,
// where the caller has none.
func TestLedgerDir(t *testing.T) {
	mine, service, none := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(filepath.Join(service, "grantd.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root := false
	check := func(want string, dirs ...string) {
		t.Helper()
		if got, err := ledgerDir(dirs, root); err != nil || got != want {
			t.Errorf("%v: %q, %v, want %q", dirs, got, err, want)
		}
	}
	check(service, none, service)
	check(service, mine, service)
	check(mine, mine, none)
	check(none, none)
	if err := os.WriteFile(filepath.Join(mine, "grantd.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(mine, mine, service)
	if got, err := ledgerDir([]string{filepath.Join(service, "grantd.db"), mine}, root); err == nil {
		t.Errorf("%q, although there may be one where nobody can look", got)
	}

	// A first ledger, of a service that has not been started yet.
	other := t.TempDir()
	check(none, none, other)
	root = true
	check(other, none, other)
	check(other, other, none)
	check(none, none, none+"2")
}
