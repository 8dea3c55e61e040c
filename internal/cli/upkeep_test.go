package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// A backup is not put where no daemon looks: on a new machine the service's
// directory is there, and root's own is not.
func TestNewPlace(t *testing.T) {
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "missing")
	other := t.TempDir()
	for _, tt := range []struct {
		dirs []string
		root bool
		want string // empty: it has to be said
	}{
		{[]string{missing}, true, missing},
		{[]string{missing, there}, true, there},
		{[]string{there, missing}, true, there},
		{[]string{there, other}, true, ""},
		{[]string{missing, missing}, true, ""},
		{[]string{missing, there}, false, missing},
	} {
		got, err := newPlace(tt.dirs, tt.root)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("of %q, root %v: %q, %v; want %q", tt.dirs, tt.root, got, err, tt.want)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a directory was made")
	}
}
