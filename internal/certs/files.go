package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"grantd/internal/watch"
)

const (
	// maxFile bounds a file, in bytes; a chain of certificates has some 10 kB.
	maxFile = 1 << 20
	// settle is how long a pair may be broken while it is replaced: whoever
	// writes the two files writes one after the other.
	settle = 5 * time.Second
)

// FileError says which of the two files cannot be used, and why.
type FileError struct {
	Key bool // the file of the key, not that of the certificate
	Err error
}

// Error is the reason alone; whoever shows it names the file.
func (e *FileError) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Files is a certificate in a file, with its intermediate certificates, and its
// key in another, both PEM.
type Files struct {
	current
	cert, key string
	log       *slog.Logger
}

// OpenFiles reads the pair. The error is a *FileError: one of the files cannot
// be read, or they do not belong together.
func OpenFiles(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	pair, err := f.read()
	if err != nil {
		return nil, err
	}
	f.show(pair)
	return f, nil
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.current.cert.Load(), nil
}

// Run follows the files until ctx ends. A pair that cannot be used changes
// nothing but the status: the one before is shown on.
func (f *Files) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	defer watching.Wait()
	for _, path := range []string{f.cert, f.key} {
		watching.Go(func() {
			watch.File(ctx, path, f.log, func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			})
		})
	}
	var again <-chan time.Time // set while the pair is broken
	for patient := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again:
			patient = false
		}
		again = nil
		err := f.reload()
		switch {
		case err == nil:
			patient = true
		case patient:
			again = time.After(settle)
		default:
			f.fail(err)
			again = time.After(watch.Every)
		}
	}
}

// reload shows what the files hold now.
func (f *Files) reload() error {
	pair, err := f.read()
	if err != nil {
		return err
	}
	was := f.current.cert.Load()
	if err := f.worse(pair.Leaf, was.Leaf, time.Now()); err != nil {
		return err
	}
	f.show(pair)
	if !was.Leaf.Equal(pair.Leaf) {
		f.log.Info("certificate reloaded", "file", f.cert, "valid_until", pair.Leaf.NotAfter)
	}
	return nil
}

// worse says why a certificate is not shown now, if the one before still is good.
func (f *Files) worse(next, was *x509.Certificate, now time.Time) error {
	valid := func(c *x509.Certificate) bool { return !now.Before(c.NotBefore) && now.Before(c.NotAfter) }
	if valid(next) || !valid(was) {
		return nil
	}
	return &FileError{Err: fmt.Errorf("use %s: it is valid from %s until %s, and not now",
		f.cert, next.NotBefore.UTC().Format(time.RFC3339), next.NotAfter.UTC().Format(time.RFC3339))}
}

// fail notes a pair that stays broken, with one line for each reason.
func (f *Files) fail(err error) {
	if was := f.Status().Err; was == nil || was.Error() != err.Error() {
		f.log.Error("the new certificate cannot be used, the one before is shown on", "error", err, "valid_until", f.Status().Until)
	}
	f.failed(err)
}

func (f *Files) read() (*tls.Certificate, error) {
	cert, err := readFile(f.cert)
	if err != nil {
		return nil, &FileError{Err: err}
	}
	key, err := readFile(f.key)
	if err != nil {
		return nil, &FileError{Key: true, Err: err}
	}
	// Whatever is wrong with the certificate alone shows without the key too.
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		_, alone := tls.X509KeyPair(cert, nil)
		return nil, &FileError{Key: alone == nil || alone.Error() != err.Error(), Err: fmt.Errorf("use %s with %s: %w", f.cert, f.key, err)}
	}
	return &pair, nil
}

// readFile reads a bounded regular file and waits for nobody.
func readFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New("read " + name + ": larger than 1 MiB")
	}
	return b, err
}
