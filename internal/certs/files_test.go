package certs

import (
	"context"
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
	// issue puts a pair into the directory root/name.
	issue := func(root, name string) {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		ca.Files(dir, time.Hour, host)
	}
	turn := func(root, target, link string) {
		_ = os.Remove(filepath.Join(root, "new"))
		if os.Symlink(target, filepath.Join(root, "new")) != nil || os.Rename(filepath.Join(root, "new"), filepath.Join(root, link)) != nil {
			t.Fatal("turn a link")
		}
	}
	for name, tt := range map[string]struct{ before, after func(root string) }{
		"renamed": {func(root string) { issue(root, "live") }, func(root string) { issue(root, "live") }},
		"links turned one after the other, as certbot does": {func(root string) {
			issue(root, "1")
			if err := os.Mkdir(filepath.Join(root, "live"), 0o700); err != nil {
				t.Fatal(err)
			}
			turn(root, "../1/cert.pem", "live/cert.pem")
			turn(root, "../1/key.pem", "live/key.pem")
		}, func(root string) {
			issue(root, "2")
			turn(root, "../2/cert.pem", "live/cert.pem")
			turn(root, "../2/key.pem", "live/key.pem")
		}},
		"the folder's link turned, as Kubernetes does": {func(root string) {
			issue(root, "1")
			turn(root, "1", "live")
		}, func(root string) {
			issue(root, "2")
			turn(root, "2", "live")
		}},
		"written in place, in pieces": {func(root string) { issue(root, "live") }, func(root string) {
			issue(root, "2")
			for _, n := range []string{"key.pem", "cert.pem"} {
				data, err := os.ReadFile(filepath.Join(root, "2", n))
				if err != nil {
					t.Fatal(err)
				}
				to, err := os.OpenFile(filepath.Join(root, "live", n), os.O_WRONLY|os.O_TRUNC, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, piece := range []string{string(data[:50]), string(data[50:])} {
					if _, err := to.WriteString(piece); err != nil {
						t.Fatal(err)
					}
				}
				_ = to.Close()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			tt.before(root)
			f := opened(t, filepath.Join(root, "live", "cert.pem"), filepath.Join(root, "live", "key.pem"))
			was := f.serial()
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				f.Run(ctx)
				close(ended)
			}()
			tt.after(root)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(25 * time.Second); f.serial() == was; <-tick.C { // a look without being told is later
				if time.Now().After(deadline) {
					t.Error("it is not seen")
					break
				}
			}
			if err := f.Status().Err; err != nil {
				t.Error(err)
			}
			stop()
			<-ended
		})
	}
}
