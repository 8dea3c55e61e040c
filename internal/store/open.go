package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

// lockTimeout is how long Open waits for another process to let go of the
// file. Short, so that a person who starts a second one is told at once.
const lockTimeout = 500 * time.Millisecond

// Options say which ledger to open and how.
type Options struct {
	// Path of the file. Its directory must exist.
	Path string
	// Tenant and Audience the ledger belongs to. Both are needed but with
	// ReadOnly, where an empty one is not compared.
	Tenant, Audience string
	// AcceptAudienceChange turns a ledger of another audience into one of
	// Audience, in which no sweep has ended yet: the grants that are there for
	// that audience were made by somebody else.
	AcceptAudienceChange bool
	// Existing opens a file that is there already, whatever it belongs to.
	Existing bool
	// Journal bounds the journal; zero values do not.
	Journal JournalLimits
	// ReadOnly opens an existing file for reading, beside other readers.
	ReadOnly bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Ledger is an open ledger. Its methods may be called concurrently.
type Ledger struct {
	db       *bolt.DB
	path     string
	readOnly bool
	audience string
	prefix   string
	clock    func() time.Time
	group    group
	feeds    feeds
	uses     uses
	held     atomic.Pointer[holdCache]

	snapshots sync.Mutex // held while a backup is read
}

// Open opens the ledger and creates or migrates it where needed. It fails with
// ErrLocked within a second when another process has it, and with
// ErrOtherTenant, ErrOtherAudience, ErrCorrupt, ErrNewerSchema, ErrOlderSchema,
// ErrUnsafe or ErrUnavailable. The whole file is not read; Check does that.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if !o.ReadOnly && !o.Existing && (o.Tenant == "" || o.Audience == "") {
		return nil, errors.New("open ledger: tenant and audience are needed")
	}
	if o.Existing {
		if _, err := os.Stat(o.Path); err != nil {
			return nil, fmt.Errorf("open ledger: %w", err)
		}
	}
	db, err := openFile(o.Path, o.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", o.Path, err)
	}
	failpoint.Hit("store.opened")
	l := &Ledger{db: db, path: o.Path, readOnly: o.ReadOnly, clock: o.Now, group: newGroup(db)}
	l.SetJournalLimits(o.Journal)
	if err := l.prepare(ctx, o); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", o.Path, errors.Join(err, db.Close()))
	}
	return l, nil
}

// prepare brings an open file to the present schema, checks whose it is and
// reads what is kept in memory.
func (l *Ledger) prepare(ctx context.Context, o Options) error {
	if !l.readOnly {
		if err := removeTemps(l.path); err != nil {
			return fmt.Errorf("remove what a killed process left: %w: %w", ErrUnavailable, err)
		}
	}
	if err := l.migrate(migrations()); err != nil {
		return err
	}
	if err := l.identify(ctx, o); err != nil {
		return err
	}
	return l.view(ctx, func(t tx) error { return l.feeds.load(t) })
}

// identify compares the ledger's tenant and audience with the options, and
// writes them into a new one.
func (l *Ledger) identify(ctx context.Context, o Options) error {
	var tenant, audience string
	err := l.view(ctx, func(t tx) error {
		meta := t.meta()
		tenant = string(meta.Get([]byte(metaTenant)))
		audience = string(meta.Get([]byte(metaAudience)))
		l.prefix = string(meta.Get([]byte(metaPrefix)))
		return nil
	})
	if err != nil {
		return err
	}
	l.audience = audience
	isNew := tenant == "" && !o.ReadOnly
	switch {
	case isNew && o.Existing:
		return fmt.Errorf("%w: it belongs to no tenant", ErrCorrupt)
	case !isNew && o.Tenant != "" && tenant != o.Tenant:
		return fmt.Errorf("%w: it is of %s, not of %s; use another state directory", ErrOtherTenant, tenant, o.Tenant)
	case o.Audience == "" || audience == o.Audience:
		return nil
	case isNew:
		l.prefix = newPrefix()
	case !o.AcceptAudienceChange || o.ReadOnly:
		return fmt.Errorf("%w: it is of %s, not of %s; --accept-audience-change moves it", ErrOtherAudience, audience, o.Audience)
	default:
		if err := l.disown(ctx); err != nil {
			return err
		}
	}
	l.audience = o.Audience
	return l.update(ctx, func(t tx) error {
		meta := t.meta()
		if isNew {
			return errors.Join(
				meta.Put([]byte(metaCreated), []byte(l.now().Format(time.RFC3339))),
				meta.Put([]byte(metaTenant), []byte(o.Tenant)),
				meta.Put([]byte(metaAudience), []byte(o.Audience)),
				meta.Put([]byte(metaPrefix), []byte(l.prefix)),
			)
		}
		return errors.Join(meta.Put([]byte(metaAudience), []byte(o.Audience)), t.feeds().Delete([]byte(dcr.FeedSweep)))
	})
}

// newPrefix is random, so that two installations on one tenant do not take
// each other's writes for their own.
func newPrefix() string {
	b := make([]byte, 6)
	rand.Read(b)
	return "grantd-" + hex.EncodeToString(b) + "-"
}

// Prefix begins the correlation id of every write that belongs to this ledger,
// such as "grantd-1f2e3d4c5b6a-": 20 bytes, random, the same for the ledger's
// life. By it grantd knows its own writes again.
func (l *Ledger) Prefix() string { return l.prefix }

// Close writes what is left in memory and closes the file. Calls still running
// finish first; later ones fail with ErrClosed. Closing again does nothing.
func (l *Ledger) Close() error {
	var err error
	if !l.readOnly {
		if err = l.Flush(context.Background()); errors.Is(err, ErrClosed) {
			return nil
		}
	}
	return errors.Join(err, l.db.Close())
}

func (l *Ledger) now() time.Time { return l.clock().UTC().Round(0) }

// openFile opens the bbolt file, new ones with mode 0600. A file that others
// may read is tightened rather than refused: a restored backup should start.
func openFile(path string, readOnly bool) (*bolt.DB, error) {
	info, err := os.Lstat(path)
	created := errors.Is(err, fs.ErrNotExist)
	switch {
	case created && readOnly:
		return nil, err
	case readOnly:
		return openBolt(path, true)
	case err == nil && info.Size() > 0:
		// Opened for writing, bbolt at once reads a page near the end, which in
		// a file cut short lies in memory of somebody else.
		db, err := openBolt(path, true)
		if err != nil {
			return nil, err
		}
		if err := db.Close(); err != nil {
			return nil, err
		}
	}
	db, err := openBolt(path, false)
	if err == nil && created {
		err = syncDir(filepath.Dir(path))
	}
	return db, err
}

// openBolt opens the file, checks that it is whole and sorts the errors. An
// empty one is as good as none to a writer; a reader finds nothing in it.
func openBolt(path string, readOnly bool) (db *bolt.DB, err error) {
	if info, err := os.Lstat(path); readOnly && err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrCorrupt)
	}
	var file *os.File
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:      lockTimeout,
			ReadOnly:     readOnly,
			FreelistType: bolt.FreelistMapType,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				f, err := openPrivate(name, flag, mode)
				if file == nil {
					file = f
				}
				return f, err
			},
		})
		return err
	})
	switch {
	case err == nil:
		if err := errors.Join(complete(db), inPlace(path, file)); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w%s; stop that one, or ask it over its control socket", ErrLocked, lockHolder(path))
	case errors.Is(err, ErrCorrupt):
		// bbolt panicked and left the file open, locked and mapped. The mapping
		// would keep the lock even after the file is closed.
		return nil, errors.Join(err, syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
	case isSystem(err):
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, ErrUnsafe):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
}

// complete fails when the file ends before its last page, as one cut short by
// a full disk or a broken copy does.
func complete(db *bolt.DB) error {
	info, err := os.Stat(db.Path())
	if err != nil {
		return err
	}
	return guard(func() error {
		return db.View(func(t *bolt.Tx) error {
			if info.Size() < t.Size() {
				return fmt.Errorf("%w: %d of %d bytes are there", ErrCorrupt, info.Size(), t.Size())
			}
			return nil
		})
	})
}

// inPlace fails when the file got another name while its lock was waited for,
// as a restore gives it.
func inPlace(path string, f *os.File) error {
	is, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if was, err := f.Stat(); err != nil || !os.SameFile(is, was) {
		return fmt.Errorf("%w: it was replaced meanwhile; try again", ErrUnavailable)
	}
	return nil
}

// openPrivate opens a regular file that has one name and no symbolic link, and
// takes it away from everybody but its owner. A new one belongs to the owner of
// its directory.
func openPrivate(name string, flag int, mode os.FileMode) (*os.File, error) {
	info, err := os.Lstat(name)
	isNew := errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0
	switch {
	case isNew:
		flag |= os.O_EXCL
	case err == nil:
		if err := plainFile(name, info); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(name, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	switch {
	case err != nil:
	case isNew:
		err = belongWithDir(f)
	default:
		if err = plainFile(name, info); err == nil && info.Mode().Perm()&0o077 != 0 && flag&os.O_RDWR != 0 {
			err = f.Chmod(0o600)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes a new file's name survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// isSystem reports whether the operating system refused something, in contrast
// to bbolt refusing the content.
func isSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}
