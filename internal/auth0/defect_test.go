package auth0_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// headless panics where a token is asked for, until told otherwise.
type headless struct {
	*stub
	lost *atomic.Bool
}

func (h headless) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.lost.Load() && r.URL.Path == "/oauth/token" {
		panic("lost its head")
	}
	return h.stub.RoundTrip(r)
}

// A defect while a token is asked for is a failure that everybody who waits
// hears of, and is tried again after waits.
func TestDefectWhileATokenIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty)}
		var lost atomic.Bool
		lost.Store(true)
		var told atomic.Int32
		c := open(t, s, func(o *auth0.Options) {
			o.Transport = headless{s, &lost}
			o.OnDefect = func(err error) {
				if told.Add(1); !strings.Contains(err.Error(), "lost its head") || strings.Contains(err.Error(), secret) {
					t.Errorf("told %v", err)
				}
			}
		})
		run(t, c)
		err := get(t, c)
		e, ok := errors.AsType[*auth0.Error](err)
		if !ok || e.Reason != dcr.InternalError || strings.Contains(err.Error(), "goroutine") {
			t.Fatalf("got %v", err)
		}
		time.Sleep(10 * time.Minute)
		if n := told.Load(); n < 3 || n > 40 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		lost.Store(false)
		time.Sleep(time.Minute)
		if err := get(t, c); err != nil {
			t.Error(err)
		}
	})
}
