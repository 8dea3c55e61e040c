package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// reasonOf names why a call failed; empty for no error.
func reasonOf(err error) dcr.Reason {
	var e *auth0.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, auth0.ErrNotFound):
		return dcr.ChangedMeanwhile
	case errors.As(err, &e) && e.Reason != "":
		return e.Reason
	case errors.Is(err, context.DeadlineExceeded):
		return dcr.Timeout
	default:
		return dcr.InternalError
	}
}

// messageOf is what a person reads about a failure: what failed, and what to do.
func messageOf(err error) string {
	var e *auth0.Error
	if errors.As(err, &e) {
		if hint := e.Hint(); hint != "" {
			return e.Error() + ". " + hint
		}
	}
	return err.Error()
}

// needsPerson reports whether a failure lasts until somebody acts.
func needsPerson(r dcr.Reason) bool {
	switch r {
	case dcr.MissingScope, dcr.ScopesRejected, dcr.LimitReached, dcr.RejectedByAuth0,
		dcr.ConnectionNotDomainLevel, dcr.ConnectionNotFound, dcr.APINotFound:
		return true
	default:
		return false
	}
}

// retryAfter is how long the failure asks to wait, zero when it does not say.
func retryAfter(err error) time.Duration {
	var e *auth0.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

const (
	retryMin, retryMax     = time.Second, 5 * time.Minute
	recheckMin, recheckMax = 5 * time.Minute, time.Hour
	freshRetry             = 2 * time.Second // a new client may not be visible everywhere at once
	dryRunRecheck          = time.Hour
	urgentAttempts         = 6 // failures after which a client is background work
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
