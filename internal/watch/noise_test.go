package watch

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Other files of the folder are nobody's business.
func TestNoise(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := newWatcher(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	w.arm()
	w.turned(true)
	if err := os.WriteFile(filepath.Join(dir, "noise"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case event := <-w.events.Events:
		if w.concerns(event.Name) || w.turned(false) {
			t.Errorf("%s is taken for %s", event.Name, path)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
}
