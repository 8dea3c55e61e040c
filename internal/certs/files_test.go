package certs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grantd/internal/certs/certstest"
)

const host = "grantd.example.com"

func opened(t *testing.T, cert, key string) *Files {
	t.Helper()
	f, err := OpenFiles(cert, key, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *Files) serial() string { return f.current.cert.Load().Leaf.SerialNumber.String() }

// TestEndedPairIsNotTaken: while the one before is good. A start has nothing
// else to show.
func TestEndedPairIsNotTaken(t *testing.T) {
	ca, dir := certstest.New(t), t.TempDir()
	f := opened(t, first(ca.Files(dir, time.Hour, host)), filepath.Join(dir, "key.pem"))
	was := f.serial()
	cert, key := ca.Files(dir, -time.Second, host)
	if err := f.reload(); err == nil || !strings.Contains(err.Error(), "and not now") || f.serial() != was {
		t.Errorf("error %v, shown %v", err, f.serial() != was)
	}
	g := opened(t, cert, key)
	if !g.Status().Expiring(time.Now()) {
		t.Error("it is not told of")
	}
	ended := g.serial()
	ca.Files(dir, -time.Second, host)
	if err := g.reload(); err != nil || g.serial() == ended {
		t.Errorf("where none is good the newest is shown: %v", err)
	}
}

func first(a, _ string) string { return a }

// TestFilesAreFollowed: however the pair is replaced, and connections find the
// one before until it is whole.
func TestFilesAreFollowed(t *testing.T) {
	ca := certstest.New(t)
	for name, replace := range map[string]func(r root, version string){
		"renamed": func(r root, _ string) { ca.Files(r.dir("live"), time.Hour, host) },
		"links turned one after the other, as certbot does": func(r root, version string) {
			ca.Files(r.dir(version), time.Hour, host)
			r.turn("../"+version+"/cert.pem", "live/cert.pem")
			r.turn("../"+version+"/key.pem", "live/key.pem")
		},
		"one link turned, as Kubernetes does": func(r root, version string) {
			ca.Files(r.dir("live/.."+version), time.Hour, host)
			r.turn(".."+version, "live/..data")
			if version == "1" {
				r.turn("..data/cert.pem", "live/cert.pem")
				r.turn("..data/key.pem", "live/key.pem")
			}
		},
		"written in place, in pieces": func(r root, version string) {
			ca.Files(r.dir(version), time.Hour, host)
			r.overwrite(version+"/key.pem", "live/key.pem")
			r.overwrite(version+"/cert.pem", "live/cert.pem")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := root{t, t.TempDir()}
			r.dir("live")
			replace(r, "1")
			f := opened(t, r.path("live/cert.pem"), r.path("live/key.pem"))
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				f.Run(ctx)
				close(ended)
			}()
			for _, version := range []string{"2", "3"} { // the third while it is watched for sure
				was := f.serial()
				replace(r, version)
				tick := time.NewTicker(5 * time.Millisecond)
				for deadline := time.Now().Add(25 * time.Second); f.serial() == was; <-tick.C { // a look without being told is later
					if time.Now().After(deadline) {
						t.Fatalf("version %s is not seen", version)
					}
				}
				tick.Stop()
			}
			if err := f.Status().Err; err != nil {
				t.Error(err)
			}
			stop()
			<-ended
		})
	}
}

// root is a directory for files and links.
type root struct {
	t    *testing.T
	name string
}

func (r root) path(name string) string { return filepath.Join(r.name, name) }

// dir makes a directory.
func (r root) dir(name string) string {
	r.t.Helper()
	if err := os.MkdirAll(r.path(name), 0o700); err != nil {
		r.t.Fatal(err)
	}
	return r.path(name)
}

// turn makes a link lead elsewhere, at once.
func (r root) turn(target, link string) {
	r.t.Helper()
	if err := errors.Join(os.Symlink(target, r.path(link+".new")), os.Rename(r.path(link+".new"), r.path(link))); err != nil {
		r.t.Fatal(err)
	}
}

// overwrite writes what from holds into a file that is there or not.
func (r root) overwrite(from, to string) {
	r.t.Helper()
	data, err := os.ReadFile(r.path(from))
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := os.OpenFile(r.path(to), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	_, first := w.Write(data[:50])
	_, second := w.Write(data[50:])
	if err := errors.Join(first, second, w.Close()); err != nil {
		r.t.Fatal(err)
	}
}
