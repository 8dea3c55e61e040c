package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
)

// reasonOf names why a call failed; empty for no error.
func reasonOf(err error) dcr.Reason {
	var e *auth0.Error
	var held *heldError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &held):
		return reasonOfHold(held.hold)
	case errors.Is(err, errOvertaken):
		return dcr.Unchecked
	case noSuchAPI(err):
		return dcr.APINotFound
	case errors.Is(err, auth0.ErrNotFound), errors.Is(err, auth0.ErrConflict):
		return dcr.ChangedMeanwhile
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, context.DeadlineExceeded):
		return dcr.Timeout
	default:
		return dcr.InternalError
	}
}

// noSuchAPI reports whether a grant was refused because the tenant has no API
// with the audience as its identifier. Without read:resource_servers this is
// the only way to find out.
func noSuchAPI(err error) bool {
	e, ok := errors.AsType[*auth0.Error](err)
	return ok && (e.Code == "inexistent_resource_server" || strings.HasPrefix(e.Message, "No resource with identifier"))
}

// noSuchConnection reports whether the connection itself was not found, rather
// than a client it was to be enabled for.
func noSuchConnection(err error) bool {
	e, ok := errors.AsType[*auth0.Error](err)
	return ok && e.Code == "inexistent_connection"
}

// findingOf is what a failure says of the condition that was to come about.
func findingOf(err error) plan.Finding {
	f := plan.Finding{Reason: reasonOf(err), Message: err.Error()}
	if held, ok := errors.AsType[*heldError](err); ok {
		f.Fix = releaseOf(held.hold)
	}
	return f
}

// errDefect stands for a panic; its reason is internal_error.
var errDefect = errors.New("a defect in grantd; see the log")

// contain keeps a defect that one client brings to light from ending the
// process: a panic in f is logged and returned as errDefect. Every goroutine
// needs it, for a panic cannot be recovered from another.
func contain(log *slog.Logger, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("reconcile client", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errDefect
		}
	}()
	return f()
}

// interrupted reports whether a failure is only that grantd was told to stop.
// A call cancelled for any other reason has failed like others do: taken for an
// interruption it would be due again at once, and again.
func (j *job) interrupted(err error) bool {
	return j.ended() != nil && errors.Is(err, context.Canceled)
}

// needsPerson reports whether a failure lasts until somebody acts.
func needsPerson(r dcr.Reason) bool {
	switch r {
	case dcr.MissingScope, dcr.ScopesRejected, dcr.LimitReached, dcr.RejectedByAuth0,
		dcr.ConnectionNotDomainLevel, dcr.ConnectionNotFound, dcr.APINotFound, dcr.Held, dcr.Fighting:
		return true
	default:
		return false
	}
}

// retryAfter is how long the failure asks to wait, zero when it does not say.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*auth0.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

const (
	retryMin, retryMax     = time.Second, 5 * time.Minute
	recheckMin, recheckMax = 5 * time.Minute, time.Hour
	freshRetry             = 2 * time.Second // a new client may not be visible everywhere at once
	urgentAttempts         = 6               // failures after which a client is background work
)

// backoff is the wait before attempt n+1, n ≥ 1: from lo doubling to hi, with
// a fifth of jitter either way so that a crowd does not return as a crowd.
func backoff(n int, lo, hi time.Duration) time.Duration {
	d := hi
	if n < 1 {
		n = 1
	}
	if shift := n - 1; shift < 20 && lo<<shift < hi {
		d = lo << shift
	}
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}
