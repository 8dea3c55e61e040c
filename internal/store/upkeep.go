package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// compactBatch is how many bytes compaction copies in a transaction.
const compactBatch = 1 << 20

// Compacted says what Compact did, in bytes.
type Compacted struct{ Before, After int64 }

// Compact writes the ledger anew without the space that it does not use. No
// process may have it open. The new file is checked before it takes the old
// one's place; until then, and when anything fails, the old one is untouched.
// ErrCorrupt, ErrLocked, ErrNewerSchema, ErrUnavailable or fs.ErrNotExist.
func Compact(ctx context.Context, path string) (Compacted, error) {
	if _, err := os.Lstat(path); err != nil {
		return Compacted{}, fmt.Errorf("compact ledger: %w", err)
	}
	was, err := sound(ctx, path)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact ledger %s: %w", path, err)
	}
	src, err := openFile(path, false)
	if err != nil {
		return Compacted{}, fmt.Errorf("compact ledger %s: %w", path, err)
	}
	done, err := compact(ctx, src, path, was)
	if err = errors.Join(err, src.Close()); err != nil {
		return Compacted{}, fmt.Errorf("compact ledger %s: %w", path, err)
	}
	return done, nil
}

func compact(ctx context.Context, src *bolt.DB, path string, was Report) (Compacted, error) {
	temp, err := writeTemp(path, func(io.Writer) error { return nil }) // bbolt takes an empty file for a new one
	if err != nil {
		return Compacted{}, err
	}
	defer func() { _ = os.Remove(temp) }() // in vain once it is placed
	if err := rewrite(src, temp); err != nil {
		return Compacted{}, err
	}
	is, err := sound(ctx, temp)
	if err != nil {
		return Compacted{}, err
	}
	if is.Clients != was.Clients || is.Journal != was.Journal || is.Tenant != was.Tenant {
		return Compacted{}, fmt.Errorf("%w: the compacted file has %d clients and %d journal entries, not %d and %d",
			ErrCorrupt, is.Clients, is.Journal, was.Clients, was.Journal)
	}
	if err := ctx.Err(); err != nil {
		return Compacted{}, err
	}
	return Compacted{Before: was.Size, After: is.Size}, place(temp, path)
}

// rewrite copies every key into a new file, and syncs it once.
func rewrite(src *bolt.DB, path string) error {
	dst, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: lockTimeout, NoSync: true, FreelistType: bolt.FreelistMapType,
		PageSize: src.Info().PageSize, OpenFile: openPrivate,
	})
	if err != nil {
		return system(err)
	}
	err = guard(func() error { return bolt.Compact(dst, src, compactBatch) })
	if err == nil {
		err = dst.Sync()
	}
	return system(errors.Join(err, dst.Close()))
}

// sound is what a file holds that nothing is wrong with.
func sound(ctx context.Context, path string) (Report, error) {
	r, err := CheckFile(ctx, path)
	if err != nil {
		return r, err
	}
	if len(r.Findings) > 0 {
		return r, fmt.Errorf("%w: %s", ErrCorrupt, r.Findings[0])
	}
	return r, nil
}

// RestoreOptions say what to restore and where to.
type RestoreOptions struct {
	Backup string // a file that Backup wrote, or a ledger
	Path   string // of the ledger
	// Tenant and Audience that the backup must be of; empty: any.
	Tenant, Audience string
	Now              time.Time
}

// Restored says what Restore did.
type Restored struct {
	Report          // of the ledger as it is now
	SetAside string // where the ledger is that was there before; empty: there was none
}

// Restore puts a backup in the place of the ledger, which no process may have
// open. What is checked is the very copy that is put there. What was there is
// copied beside it first, and nothing is removed: until the last step, and when
// anything fails, the ledger is as it was. ErrCorrupt when the backup is
// damaged, ErrOtherTenant or ErrOtherAudience when it is of another, ErrLocked,
// ErrNewerSchema, ErrUnavailable or fs.ErrNotExist.
func Restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	r, err := restore(ctx, o)
	if err != nil {
		return Restored{}, fmt.Errorf("restore ledger %s: %w", o.Path, err)
	}
	return r, nil
}

func restore(ctx context.Context, o RestoreOptions) (Restored, error) {
	present, err := lockFile(o.Path)
	if err == nil {
		defer func() { _ = present.Close() }()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Restored{}, err
	}
	temp, err := copyBackup(ctx, o, present)
	if err != nil {
		return Restored{}, err
	}
	defer func() { _ = os.Remove(temp) }() // in vain once it is placed
	r, err := sound(ctx, temp)
	switch {
	case err != nil:
		return Restored{}, fmt.Errorf("the backup %s: %w", o.Backup, err)
	case o.Tenant != "" && r.Tenant != o.Tenant:
		return Restored{}, fmt.Errorf("%w: the backup is of %s, not of %s", ErrOtherTenant, r.Tenant, o.Tenant)
	case o.Audience != "" && r.Audience != o.Audience:
		return Restored{}, fmt.Errorf("%w: the backup is of %s, not of %s", ErrOtherAudience, r.Audience, o.Audience)
	}
	done := Restored{Report: r}
	if present != nil {
		if done.SetAside, err = copyAside(ctx, present, o); err != nil {
			return Restored{}, err
		}
	}
	done.Path = o.Path
	return done, place(temp, o.Path)
}

// copyBackup copies the backup beside the ledger.
func copyBackup(ctx context.Context, o RestoreOptions, present *os.File) (string, error) {
	info, err := os.Stat(o.Backup)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", o.Backup)
	}
	if present != nil {
		if is, err := present.Stat(); err == nil && os.SameFile(is, info) {
			return "", fmt.Errorf("%s is the ledger itself", o.Backup)
		}
	}
	f, err := os.Open(o.Backup)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return writeTemp(o.Path, func(w io.Writer) error {
		_, err := io.Copy(patient{ctx, w}, f)
		return err
	})
}

// copyAside copies the ledger that is there to a name of its own.
func copyAside(ctx context.Context, present io.Reader, o RestoreOptions) (string, error) {
	name, err := freeName(o.Path, "replaced", o.Now)
	if err != nil {
		return "", err
	}
	temp, err := writeTemp(o.Path, func(w io.Writer) error {
		_, err := io.Copy(patient{ctx, w}, present)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("set aside what is there: %w", err)
	}
	return name, place(temp, name)
}

// SetAside moves a damaged ledger that no process has open out of the way, with
// force also a sound one, and returns its new name, path.corrupt-TIME or
// path.set-aside-TIME. Nothing is overwritten, and nothing put in its place:
// the next start makes a new ledger. ErrSound without force when nothing is
// wrong with it, ErrLocked or fs.ErrNotExist.
func SetAside(ctx context.Context, path string, force bool, now time.Time) (string, error) {
	f, err := lockFile(path)
	if err != nil {
		return "", fmt.Errorf("set ledger aside: %w", err)
	}
	_ = f.Close() // or bbolt could not look at it
	mark := "corrupt"
	if _, err = sound(ctx, path); err == nil {
		mark = "set-aside"
	}
	if !force && (err == nil || !errors.Is(err, ErrCorrupt)) {
		if err == nil {
			err = ErrSound
		}
		return "", fmt.Errorf("set ledger %s aside: %w", path, err)
	}
	if f, err = lockFile(path); err != nil {
		return "", fmt.Errorf("set ledger aside: %w", err)
	}
	defer func() { _ = f.Close() }()
	name, err := freeName(path, mark, now)
	if err == nil {
		err = place(path, name)
	}
	if err != nil {
		return "", fmt.Errorf("set ledger %s aside: %w", path, err)
	}
	return name, nil
}
