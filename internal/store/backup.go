package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// tempMark is in the name of every file that is not complete yet.
const tempMark = ".tmp-"

// Snapshot is a copy of the ledger as it was at one moment, to be read and
// closed.
type Snapshot struct {
	file    *os.File
	size    int64
	release func()
}

// Size is the number of bytes there are to read.
func (s *Snapshot) Size() int64 { return s.size }

// Read implements io.Reader.
func (s *Snapshot) Read(p []byte) (int, error) { return s.file.Read(p) }

// Close gives the disk space back.
func (s *Snapshot) Close() error {
	err := s.file.Close()
	s.release()
	return err
}

// Snapshot copies the ledger while writers go on. The copy is made in the
// ledger's directory at the speed of the disk and is complete when Snapshot
// returns, so that whoever reads it slowly keeps no page of the ledger from
// being used again, and no writer waiting. It has no name: nothing is left of
// it when the process is killed. There is one at a time, else ErrBusy;
// ErrUnavailable when the disk is full.
func (l *Ledger) Snapshot(ctx context.Context) (*Snapshot, error) {
	if !l.snapshots.TryLock() {
		return nil, fmt.Errorf("back up ledger: %w", ErrBusy)
	}
	release := sync.OnceFunc(l.snapshots.Unlock)
	s, err := l.snapshot(ctx)
	if err != nil {
		release()
		return nil, fmt.Errorf("back up ledger: %w", err)
	}
	s.release = release
	return s, nil
}

func (l *Ledger) snapshot(ctx context.Context) (*Snapshot, error) {
	f, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+tempMark+"*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	err = os.Remove(f.Name())
	var n int64
	if err == nil {
		n, err = l.copyTo(ctx, f)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(system(err), f.Close())
	}
	return &Snapshot{file: f, size: n}, nil
}

// Backup writes a consistent copy of the ledger to w, which may be slow, while
// writers go on. It returns how many bytes it wrote.
func (l *Ledger) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if l.readOnly { // nobody writes, so nobody waits
		n, err := l.copyTo(ctx, w)
		if err != nil {
			return n, fmt.Errorf("back up ledger: %w", err)
		}
		return n, nil
	}
	s, err := l.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(patient{ctx, w}, s)
	if err = errors.Join(err, s.Close()); err != nil {
		return n, fmt.Errorf("back up ledger: %w", err)
	}
	return n, nil
}

// BackupFile writes a copy of a ledger that no process has open, whatever its
// schema. It checks no more than that the file is whole.
func BackupFile(ctx context.Context, path string, w io.Writer) (int64, error) {
	db, err := openBolt(path, true)
	if err != nil {
		return 0, fmt.Errorf("back up ledger %s: %w", path, err)
	}
	l := &Ledger{db: db, path: path, readOnly: true}
	n, err := l.Backup(ctx, w)
	return n, errors.Join(err, db.Close())
}

// copyTo copies the file as one transaction sees it.
func (l *Ledger) copyTo(ctx context.Context, w io.Writer) (n int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = l.read(func(t tx) (err error) {
		to := &failing{w: patient{ctx, w}}
		n, err = t.WriteTo(to)
		if to.err != nil {
			err = to.err // bbolt tells it as text alone
		}
		if err == nil && n != t.Size() {
			err = fmt.Errorf("%w: %d of %d bytes are there", ErrCorrupt, n, t.Size())
		}
		return err
	})
	return n, err
}

// patient is a writer that gives up when its context ends.
type patient struct {
	ctx context.Context
	w   io.Writer
}

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

// failing is a writer that remembers what went wrong.
type failing struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (f *failing) Write(b []byte) (n int, err error) {
	n, err = f.w.Write(b)
	if err != nil {
		f.err = err
	}
	return n, err
}

// system marks what the operating system refused as ErrUnavailable.
func system(err error) error {
	if isSystem(err) && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
