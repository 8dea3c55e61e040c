package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"grantd/internal/store"
)

func TestSecureDir(t *testing.T) {
	write := func(name string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o644) }
	}
	mode := func(m os.FileMode) func(string) error { return func(dir string) error { return os.Chmod(dir, m) } }
	acme := func(make func(path string) error) func(string) error {
		return func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"/acme/ca", 0o755), make(dir+"/acme/ca/grantd.example.com"))
		}
	}
	key := func(path string) error { return os.WriteFile(path, []byte("key"), 0o644) }
	tests := []struct {
		name   string
		dir    []func(dir string) error
		want   error  // nil: fine
		words  string // of the error
		closed bool   // it was tightened
	}{
		{"private", []func(string) error{mode(0o700), write("anything")}, nil, "", false},
		{"empty", []func(string) error{mode(0o755)}, nil, "", true},
		{"only to enter", []func(string) error{mode(0o711), write("grantd.db")}, nil, "", true},
		{"with grantd's files", []func(string) error{mode(0o755), write("grantd.db"), write("token.json"), write("grantd.db.schema-1"), write("token.json.new"), write(".token-123"), write("grantd.db.corrupt-20261120T120000Z")}, nil, "", true},
		{"with other files", []func(string) error{mode(0o755), write("grantd.db"), write("notes")}, store.ErrUnsafeDir, "mode 0755, and there is more in it than grantd's files: chmod 700 ", false},
		{"with files that look like it", []func(string) error{mode(0o755), write("grantd.dbx")}, store.ErrUnsafeDir, "more in it", false},
		{"group can write", []func(string) error{mode(0o770)}, store.ErrUnsafeDir, "others can write to ", false},
		{"all can write", []func(string) error{mode(0o777 | os.ModeSticky)}, store.ErrUnsafeDir, "chmod 700 ", false},
		{"linked ledger", []func(string) error{func(dir string) error { return os.Symlink("/etc/passwd", dir+"/grantd.db") }}, store.ErrUnsafe, "grantd.db is a symbolic link", false},
		{"linked token", []func(string) error{func(dir string) error { return os.Symlink("/etc/passwd", dir+"/token.json") }}, store.ErrUnsafe, "token.json is a symbolic link", false},
		{"a pipe", []func(string) error{func(dir string) error { return syscall.Mkfifo(dir+"/grantd.db", 0o600) }}, store.ErrUnsafe, "is a named pipe; move it away", false},
		{"a folder", []func(string) error{func(dir string) error { return os.Mkdir(dir+"/token.json", 0o700) }}, store.ErrUnsafe, "is a directory", false},
		{"with a certificate", []func(string) error{mode(0o755), acme(key)}, nil, "", true},
		{"a linked key", []func(string) error{acme(func(path string) error { return os.Symlink("/etc/passwd", path) })}, store.ErrUnsafe, "grantd.example.com is a symbolic link", false},
		{"certificates that others can write", []func(string) error{acme(key), func(dir string) error { return os.Chmod(dir+"/acme", 0o777) }}, store.ErrUnsafeDir, "others can write to ", false},
		{"linked certificates", []func(string) error{func(dir string) error { return os.Symlink("/etc", dir+"/acme") }}, store.ErrUnsafe, "acme is not a directory", false},
		{"two names", []func(string) error{write("grantd.db"), func(dir string) error { return os.Link(dir+"/grantd.db", dir+"/grantd.db.x") }}, store.ErrUnsafe, "has 2 names", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, make := range tt.dir {
				if err := make(dir); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.Stat(dir)
			closed, err := store.SecureDir(dir, true)
			// What others can read is only refused to a writer.
			if closed || !errors.Is(err, tt.want) && !errors.Is(tt.want, store.ErrUnsafeDir) {
				t.Errorf("reading: %v, %v", closed, err)
			}
			if after, _ := os.Stat(dir); after.Mode() != before.Mode() {
				t.Errorf("reading made it %v", after.Mode())
			}
			closed, err = store.SecureDir(dir, false)
			if closed != tt.closed || !errors.Is(err, tt.want) || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Fatalf("%v, %v", closed, err)
			}
			after, _ := os.Stat(dir)
			if want := map[bool]os.FileMode{true: 0o700, false: before.Mode().Perm()}[tt.closed]; after.Mode().Perm() != want {
				t.Errorf("mode %v", after.Mode())
			}
			for _, name := range []string{"grantd.db", "token.json", "acme/ca/grantd.example.com"} {
				if _, err := os.Lstat(filepath.Join(dir, name)); err == nil && tt.closed {
					private(t, filepath.Join(dir, name))
				}
			}
		})
	}
	if _, err := store.SecureDir(filepath.Join(t.TempDir(), "none"), false); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SecureDir(file, false); !errors.Is(err, store.ErrUnsafeDir) || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("a file: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SecureDir(link, false); err != nil {
		t.Errorf("a link of our own: %v", err)
	}
}

// TestSecureDirOfOthers: a directory or a link of somebody else is refused, and
// what root makes belongs to whom the directory belongs to.
func TestSecureDirOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs to become another user")
	}
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Symlink(dir, link), os.Lchown(link, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SecureDir(link, false); !errors.Is(err, store.ErrUnsafeDir) || !strings.Contains(err.Error(), "user 65534 made") {
		t.Errorf("a link of somebody else: %v", err)
	}
	out, err := child(t, "secure", dir).Output()
	if want := fmt.Sprintf("belongs to user 0, and this is user 65534: sudo chown -R 65534 %s,", dir); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%s, %v", out, err)
	}

	// sudo grantd sync, before the daemon ever ran.
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SecureDir(dir, false); err != nil {
		t.Errorf("root in a directory of somebody else: %v", err)
	}
	path := filepath.Join(dir, "grantd.db")
	l, err := childOpen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Compact(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "secure", dir).Output(); err != nil || strings.TrimSpace(string(out)) != "opened" {
		t.Errorf("%s, %v", out, err)
	}
}

// childSecure uses a state directory as another user.
func childSecure(dir string) {
	must(syscall.Setgid(65534))
	must(syscall.Setuid(65534))
	if _, err := store.SecureDir(dir, false); err != nil {
		fmt.Println(err)
		return
	}
	l, err := childOpen(filepath.Join(dir, "grantd.db"))
	must(err)
	must(l.Close())
	fmt.Println("opened")
}
