package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/certs/certstest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestExpiring(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		life, left time.Duration
		want       bool
	}{
		"90 days, 15 left":  {90 * day, 15 * day, false},
		"90 days, 13 left":  {90 * day, 13 * day, true},
		"6 days, 2 left":    {6 * day, 2 * day, false},
		"6 days, 1 left":    {6 * day, day, true},
		"it ended":          {90 * day, -day, true},
		"there is none (0)": {0, 0, false},
	} {
		s := Status{From: now.Add(tt.left - tt.life), Until: now.Add(tt.left)}
		if tt.life == 0 {
			s = Status{}
		}
		if got := s.Expiring(now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestBackoffIsKept: what a process left is read by the next one; what cannot
// be read, or comes of a clock that was wrong, delays a little and not for ever.
func TestBackoffIsKept(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		text string
		want time.Duration // until the next try
		err  bool
	}{
		"none":           {"", 0, false},
		"in an hour":     {`{"domain":"grantd.example.com","tries":3,"next_try_at":"2026-11-25T13:00:00Z"}`, time.Hour, false},
		"next year":      {`{"domain":"grantd.example.com","tries":3,"next_try_at":"2027-11-25T13:00:00Z"}`, 15 * time.Minute, false},
		"negative tries": {`{"domain":"grantd.example.com","tries":-3,"next_try_at":"2027-11-25T13:00:00Z"}`, time.Minute, false},
		"another domain": {`{"domain":"grantd.exmaple.com","tries":3,"next_try_at":"2026-11-25T13:00:00Z","last_error":"no such name"}`, 0, false},
		"garbage":        {"{", time.Minute, true},
	} {
		d := dir(t.TempDir())
		if tt.text != "" {
			if err := os.WriteFile(d.path(backoffFile), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := d.loadBackoff("grantd.example.com", now)
		if got := max(b.NextTryAt.Sub(now), 0); got != tt.want || (err != nil) != tt.err {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestIssuedWaitsAcrossStarts: one that was issued is what a next start goes by too.
func TestIssuedWaitsAcrossStarts(t *testing.T) {
	a, err := OpenACME(ACMEOptions{Domain: "grantd.example.com", DirectoryURL: "https://ca.example.com/dir", StateDir: t.TempDir(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certstest.New(t).Issue(24*time.Hour, "grantd.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	a.issued(order{cert: &pair}, quiet())
	if err := a.dir.saveBackoff(a.backoff); err != nil {
		t.Fatal(err)
	}
	b, err := a.dir.loadBackoff("grantd.example.com", time.Now())
	if left := time.Until(b.NextTryAt); err != nil || left < 59*time.Minute {
		t.Errorf("asked again in %v, %v", left, err)
	}
}

// TestBackoffInTime: an authority that always fails is asked at growing
// distances, by one process or by many, 4 times in the first hour at most.
func TestBackoffInTime(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		begun := time.Now()
		wire := tripper(func(r *http.Request) (*http.Response, error) {
			tries = append(tries, time.Since(begun).Round(time.Minute))
			return nil, errors.New("down")
		})
		for range 24 * 4 { // a crash loop of a quarter of an hour each
			a, err := OpenACME(ACMEOptions{Domain: "grantd.example.com", DirectoryURL: "https://ca.example.com/dir", StateDir: state, Logger: quiet(), Transport: wire})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			a.Run(ctx)
			cancel()
			if a.Status().Err == nil || a.Status().NextTry.Before(time.Now()) {
				t.Errorf("status %+v", a.Status())
			}
		}
		if tries[0] != 0 || tries[1] != time.Minute || tries[2] != 6*time.Minute || tries[3] != 21*time.Minute || tries[4] < 80*time.Minute {
			t.Errorf("tries at %v", tries)
		}
		if n := len(tries); n < 7 || n > 9 {
			t.Errorf("%d tries in a day: %v", n, tries)
		}
	})
}

type tripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRetryAfterIsObeyed: an authority that asks for a day gets it.
func TestRetryAfterIsObeyed(t *testing.T) {
	var asked atomic.Int32
	ca := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "86400")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\\ncertificates\"}"))
	}))
	defer ca.Close()
	a, err := OpenACME(ACMEOptions{Domain: "grantd.example.com", DirectoryURL: ca.URL, StateDir: t.TempDir(), Logger: quiet(), Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	a.obtain(t.Context())
	if left := time.Until(a.backoff.NextTryAt); left < 23*time.Hour || asked.Load() == 0 {
		t.Errorf("asked %d times, next in %v", asked.Load(), left)
	}
	if got := a.Status().Err.Error(); !strings.Contains(got, "too many certificates") {
		t.Errorf("error %q", got)
	}
}

// TestNothingIsAskedWithoutMemory: where the try cannot be written down, none is
// made.
func TestNothingIsAskedWithoutMemory(t *testing.T) {
	state := t.TempDir()
	a, err := OpenACME(ACMEOptions{Domain: "grantd.example.com", DirectoryURL: "https://ca.example.com/dir", StateDir: state, Logger: quiet(),
		Transport: tripper(func(*http.Request) (*http.Response, error) { t.Error("asked"); return nil, errors.New("no") })})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(state + "/acme"); err != nil {
		t.Fatal(err)
	}
	a.obtain(t.Context())
	if a.Status().Err == nil {
		t.Error("no error")
	}
}

// TestKeptCertificateMustFit: of another host, ended or broken, it is not shown.
func TestKeptCertificateMustFit(t *testing.T) {
	ca := certstest.New(t)
	for name, tt := range map[string]struct {
		valid time.Duration
		host  string
		cut   int
		shown bool
	}{
		"good": {time.Hour, "grantd.example.com", 0, true}, "another host": {time.Hour, "www.example.com", 0, false},
		"ended": {-time.Second, "grantd.example.com", 0, false}, "cut": {time.Hour, "grantd.example.com", 60, false},
	} {
		o := ACMEOptions{Domain: "grantd.example.com", DirectoryURL: "https://ca.example.com/dir", StateDir: t.TempDir(), Logger: quiet()}
		a, err := OpenACME(o)
		if err != nil {
			t.Fatal(err)
		}
		cert, key := ca.Issue(tt.valid, tt.host)
		both := append(key, cert...)
		if err := a.dir.put(o.Domain, both[:len(both)-tt.cut]); err != nil {
			t.Fatal(err)
		}
		if a, err = OpenACME(o); err != nil || (a.cert.Load() != nil) != tt.shown {
			t.Errorf("%s: shown %v, %v", name, !tt.shown, err)
		}
		other := o
		other.DirectoryURL = "https://staging.example.com/dir"
		if a, err = OpenACME(other); err != nil || a.cert.Load() != nil {
			t.Errorf("%s: the certificate of another authority is shown, %v", name, err)
		}
	}
}
