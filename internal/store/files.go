package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// writeTemp makes a complete and synced file beside path, for its owner alone,
// whose name says that it is not in its place yet. It leaves none behind when
// it fails.
func writeTemp(path string, fill func(io.Writer) error) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempMark+"*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	err = belongWithDir(f)
	if err == nil {
		err = fill(f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(system(err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// place gives a complete file its name, in the place of what had it.
func place(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return syncDir(filepath.Dir(path))
}

// removeTemps removes what a killed process left incomplete. The ledger must be
// locked.
func removeTemps(path string) error {
	left, err := filepath.Glob(escapeGlob(path) + tempMark + "*")
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

func escapeGlob(s string) string {
	var b []byte
	for i := range len(s) {
		switch s[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}

// freeName is path with the mark and the time, and with a number if that is
// taken.
func freeName(path, mark string, now time.Time) (string, error) {
	base := path + "." + mark + "-" + now.UTC().Format("20060102T150405Z")
	for name, i := base, 2; i < 1000; name, i = fmt.Sprintf("%s-%d", base, i), i+1 {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s and 998 like it are there already: move them away", base)
}

// lockFile locks a ledger that may be damaged, as bbolt locks a good one.
func lockFile(path string) (*os.File, error) {
	f, err := openPrivate(path, os.O_RDWR, 0)
	if err != nil {
		return nil, system(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w%s; stop that one", ErrLocked, lockHolder(path))
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
