package certs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/acme/autocert"
)

// dir is a directory of small files for their owner alone. What is put is on
// the disk, whole, or not there.
type dir string

func (d dir) path(name string) string {
	return filepath.Join(string(d), strings.ReplaceAll(name, string(filepath.Separator), "_"))
}

// get returns autocert.ErrCacheMiss for what is not there.
func (d dir) get(name string) ([]byte, error) {
	b, err := readFile(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, autocert.ErrCacheMiss
	}
	return b, err
}

func (d dir) put(name string, data []byte) (err error) {
	f, err := os.CreateTemp(string(d), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), d.path(name)); err != nil {
		return err
	}
	return d.sync()
}

// sync makes the names lasting. Not every file system can.
func (d dir) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	_ = f.Sync()
	return f.Close()
}

func (d dir) remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// renewing is the directory as autocert sees it for one order: without the
// certificate that is there, so that it gets another one. It keeps nothing more
// once the order has ended.
type renewing struct {
	dir
	domain string
	ended  atomic.Bool
	unkept atomic.Pointer[error] // why the new certificate could not be kept
}

// Get implements autocert.Cache.
func (r *renewing) Get(_ context.Context, name string) ([]byte, error) {
	if name == r.domain && !r.ended.Load() {
		return nil, autocert.ErrCacheMiss
	}
	return r.get(name)
}

// Put implements autocert.Cache.
func (r *renewing) Put(_ context.Context, name string, data []byte) error {
	if r.ended.Load() {
		return errors.New("the order has ended")
	}
	err := r.put(name, data)
	if err != nil && name == r.domain {
		r.unkept.Store(&err)
	}
	return err
}

// Delete implements autocert.Cache.
func (r *renewing) Delete(_ context.Context, name string) error { return r.remove(name) }
