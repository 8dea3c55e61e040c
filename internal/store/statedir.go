package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxEntries bounds how many files are looked at to see whose directory it is.
const maxEntries = 1000

// SecureDir checks, before anything in it is read or written, that the state
// directory and its files are for their owner alone: a directory, of this user,
// which nobody else can write to, in which the ledger and the token are regular
// files with one name. One that others can only enter or read is closed to
// them, mode 0700, if nothing but grantd's files are in it; tightened says so.
// With readOnly nothing is changed. Root may use a directory of anybody. A
// directory that does not exist is fine. ErrUnsafeDir and ErrUnsafe say what to
// do.
func SecureDir(dir string, readOnly bool) (tightened bool, err error) {
	link, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the state directory: %w", err)
	}
	if uid, me := owner(link), os.Geteuid(); link.Mode().Type() == fs.ModeSymlink && uid != 0 && uid != me {
		return false, fmt.Errorf("%w: %s is a symbolic link that user %d made: name the directory itself with GRANTD_STATE_DIR", ErrUnsafeDir, dir, uid)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return false, fmt.Errorf("look at the state directory: %w", err)
	}
	if err := ownDir(dir, info); err != nil {
		return false, err
	}
	ours, err := secureFiles(dir, readOnly)
	if err != nil || info.Mode().Perm()&0o077 == 0 || readOnly {
		return false, err
	}
	if !ours {
		return false, fmt.Errorf("%w: others can read %s, mode %04o, and there is more in it than grantd's files: "+
			"chmod 700 %[2]s if it is for grantd alone, or name a directory of its own with GRANTD_STATE_DIR",
			ErrUnsafeDir, dir, info.Mode().Perm())
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return false, fmt.Errorf("close the state directory to others: %w", err)
	}
	return true, nil
}

func ownDir(dir string, info fs.FileInfo) error {
	uid, me := owner(info), os.Geteuid()
	switch {
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a directory: name one with GRANTD_STATE_DIR", ErrUnsafeDir, dir)
	case uid != me && me != 0:
		return fmt.Errorf("%w: %s belongs to user %d, and this is user %d: sudo chown -R %[4]d %[2]s, or name another with GRANTD_STATE_DIR",
			ErrUnsafeDir, dir, uid, me)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%w: others can write to %s, mode %04o: chmod 700 %[2]s if it is for grantd alone, or name a directory of its own with GRANTD_STATE_DIR",
			ErrUnsafeDir, dir, info.Mode().Perm())
	}
	return nil
}

// secureFiles checks grantd's files and reports whether there are no others.
func secureFiles(dir string, readOnly bool) (ours bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return false, fmt.Errorf("look into the state directory: %w", err)
	}
	defer func() { _ = d.Close() }()
	entries, err := d.ReadDir(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("look into the state directory: %w", err)
	}
	ours = len(entries) < maxEntries
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case e.Type() == fs.ModeSocket:
		case e.Name() == ledgerName || e.Name() == tokenName:
			if err := secureFile(name, readOnly); err != nil {
				return false, err
			}
		case e.Name() == acmeName:
			if err := secureTree(name, readOnly, 2); err != nil {
				return false, err
			}
		case !strings.HasPrefix(e.Name(), ledgerName+".") && e.Name() != tokenName+".new" && !strings.HasPrefix(e.Name(), ".token-"):
			ours = false
		}
	}
	return ours, nil
}

// The files that grantd keeps in its state directory, and the directory of what
// certificate authorities gave it.
const ledgerName, tokenName, acmeName = "grantd.db", "token.json", "acme"

// secureTree does for a directory in the state directory what secureFiles does
// for that: all in it, down to so many levels of directories, is for the owner
// alone.
func secureTree(dir string, readOnly bool, levels int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: %s is not a directory; move it away", ErrUnsafe, dir)
	}
	if err := ownDir(dir, info); err != nil {
		return err
	}
	if !readOnly && info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("close %s to others: %w", dir, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() && levels > 1 {
			err = secureTree(name, readOnly, levels-1)
		} else {
			err = secureFile(name, readOnly)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func secureFile(name string, readOnly bool) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a token that is just being replaced
	}
	if err != nil {
		return err
	}
	if err := plainFile(name, info); err != nil {
		return err
	}
	if readOnly || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("close %s to others: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err == nil {
		err = plainFile(name, info)
	}
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return fmt.Errorf("close %s to others: %w", name, err)
	}
	return nil
}

// plainFile fails for what is not a regular file with one name.
func plainFile(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is %s; move it away", ErrUnsafe, name, kind(info.Mode()))
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Nlink > 1 {
		return fmt.Errorf("%w: %s has %d names, so that it can be changed by another: find them with find / -xdev -samefile %[2]s, and remove all but this one",
			ErrUnsafe, name, s.Nlink)
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch m.Type() {
	case fs.ModeSymlink:
		return "a symbolic link"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a named pipe"
	case fs.ModeSocket:
		return "a socket"
	default:
		return "a device"
	}
}

// owner is the user that a file belongs to, this one where that is not known.
func owner(info fs.FileInfo) int {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid)
	}
	return os.Geteuid()
}

// belongWithDir gives a file that root just made to whom its directory belongs
// to, so that what "sudo grantd" makes is there for the daemon's user.
func belongWithDir(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || s.Uid == 0 {
		return nil
	}
	return f.Chown(int(s.Uid), int(s.Gid))
}
