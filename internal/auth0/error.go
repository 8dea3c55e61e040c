package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"grantd/internal/budget"
	"grantd/internal/dcr"
	"grantd/internal/display"
)

// What an *Error can also be, for errors.Is.
var (
	// ErrNotFound: the thing asked for does not exist (404).
	ErrNotFound = errors.New("not found")
	// ErrConflict: it exists already (409).
	ErrConflict = errors.New("exists already")
	// ErrCursor: a list cannot be continued where it was to be, such as a day
	// later. Begin it anew.
	ErrCursor = errors.New("the list cannot be continued from there")
)

// Error is a call that failed: an answer other than 2xx, an answer that could
// not be read, or none at all.
type Error struct {
	Op         string        // the operation, one of Operations
	Status     int           // HTTP status; 0 without an answer
	Code       string        // Auth0's errorCode, or the OAuth error of a token request; may be empty
	Message    string        // Auth0's words: bounded, one line, without secrets
	Reason     dcr.Reason    // never empty
	Scope      string        // Reason dcr.MissingScope: the Management API scopes of which one would do, comma-separated
	RetryAfter time.Duration // how long to wait by Auth0's word; 0 when it does not say
	Err        error         // the cause without an answer, or ErrCursor; may be nil
}

// Error tells what failed and why.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(e.Op, "_", " "))
	b.WriteString(": ")
	b.WriteString(string(e.Reason))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (%d", e.Status)
		if e.Code != "" {
			b.WriteString(" " + e.Code)
		}
		b.WriteString(")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	} else if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes an *Error an ErrNotFound or ErrConflict by its status.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrConflict:
		return e.Status == http.StatusConflict
	default:
		return false
	}
}

// Hint says what a person can do about it; empty when there is nothing to do.
// A scope that is missing is named by the error itself.
func (e *Error) Hint() string {
	return e.Reason.Info().Fix.String()
}

// Hinted is an error that also says what a person can do, where it comes of a
// call and there is something.
func Hinted(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Hint() != "" {
		return &hinted{err, e.Reason}
	}
	return err
}

type hinted struct {
	error
	reason dcr.Reason
}

func (h *hinted) Error() string { return h.reason.Told(h.error.Error(), "") }

func (h *hinted) Unwrap() error { return h.error }

const (
	maxMessage = 300 // bytes of Auth0's words that are kept
	maxCode    = 64
)

// statusError makes an *Error of an answer other than 2xx. The body is JSON of
// the Management API or of the OAuth endpoints, or HTML from the edge.
func statusError(op string, resp *http.Response, body []byte, now time.Time, m mask) *Error {
	var b errorBody
	_ = json.Unmarshal(body, &b) // what cannot be read stays empty
	e := &Error{
		Op:      op,
		Status:  resp.StatusCode,
		Code:    display.Line(m.hide(first(string(b.ErrorCode), string(b.Error))), maxCode),
		Message: display.Line(m.hide(first(string(b.Message), string(b.Description))), maxMessage),
	}
	if b.ErrorCode == "" && b.Description == "" {
		e.Code = "" // there, error is only the name of the status
	}
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	e.Reason = reasonOf(e)
	switch e.Reason {
	case dcr.RateLimited, dcr.ServerError:
		e.RetryAfter = budget.RetryAfter(resp.Header, now)
	case dcr.MissingScope:
		e.Scope = expectedScopes(e.Message)
	}
	return e
}

// errorBody is the union of both forms of error.
// https://auth0.com/docs/api/management/v2
type errorBody struct {
	Error       text `json:"error"`
	ErrorCode   text `json:"errorCode"`
	Message     text `json:"message"`
	Description text `json:"error_description"`
}

// text is a string where one stands and empty where anything else does.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// reasonOf classifies an answer by status and code.
func reasonOf(e *Error) dcr.Reason {
	switch s := e.Status; {
	case s == http.StatusUnauthorized:
		return dcr.Unauthorized
	case s == http.StatusForbidden && e.Code == "insufficient_scope",
		s == http.StatusForbidden && strings.HasPrefix(e.Message, insufficientScope):
		return dcr.MissingScope
	case s == http.StatusForbidden && e.Code == "too_many_entities":
		return dcr.LimitReached
	case s == http.StatusBadRequest && strings.Contains(e.Message, "scope must be a subset"):
		return dcr.ScopesRejected
	case s == http.StatusRequestTimeout:
		return dcr.Timeout
	case s == http.StatusTooManyRequests:
		return dcr.RateLimited
	case s >= 500:
		return dcr.ServerError
	case s >= 400:
		return dcr.RejectedByAuth0
	default:
		return dcr.BadResponse // a redirect is none of the API's answers
	}
}

// insufficientScope begins the message of a 403 that names the missing scope.
const insufficientScope = "Insufficient scope"

// expectedScopes takes the scopes out of "Insufficient scope, expected any of:
// a,b".
func expectedScopes(message string) string {
	_, list, ok := strings.Cut(message, ":")
	if !ok {
		return ""
	}
	// The scopes have colons themselves; the first one ends the phrase.
	var scopes []string
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		if scopeLike(s) {
			scopes = append(scopes, s)
		}
	}
	return strings.Join(scopes, ",")
}

// scopeLike reports whether s can be a Management API scope, such as
// "read:clients".
func scopeLike(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789:_-") == ""
}

// transportError makes an *Error of a request that brought no answer.
func transportError(op string, err error) *Error {
	e := &Error{Op: op, Reason: dcr.Unreachable, Err: err}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		e.Reason = dcr.Timeout
	}
	return e
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
