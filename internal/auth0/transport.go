package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

const (
	// maxBody bounds an answer. A page of 100 log entries with bodies is the
	// largest that is asked for.
	maxBody = 16 << 20
	// maxErrorBody bounds what is read of an answer other than 2xx.
	maxErrorBody = 64 << 10
	// maxPatience is how often a call with a person's token is made again after
	// a 429.
	maxPatience = 8
)

var (
	errTooLarge = errors.New("it is larger than 16 MiB")
	errNotJSON  = errors.New("it is not JSON")
)

// transport makes requests. It is the SDK's HTTP client.
type transport struct {
	http    *http.Client
	budget  *budget.Budget
	guard   *guard
	timeout time.Duration
	agent   string
	onCall  func(CallInfo)
	now     func() time.Time
	noticed noticed
}

// Do makes a Management API request. The answer is 2xx and its body is in
// memory; everything else is an *Error.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	op := opOf(ctx)
	tok, err := t.guard.get(ctx, op)
	if err != nil {
		return nil, err
	}
	resp, failed := t.limited(req, op, tok)
	// A person waits for the answer, and nothing was done: the budget knows now
	// when to ask again.
	for n := 0; t.guard.given && failed != nil && failed.Reason == dcr.RateLimited && n < maxPatience; n++ {
		if req, err = again(req); err != nil {
			return nil, transportError(op.name, err)
		}
		resp, failed = t.limited(req, op, tok)
	}
	if failed != nil && failed.Reason == dcr.Unauthorized && failed.Status != 0 {
		renewed, err := t.guard.renewed(ctx, tok)
		if err != nil {
			return nil, err
		}
		if renewed.value == tok.value {
			return nil, failed
		}
		if req, err = again(req); err != nil {
			return nil, transportError(op.name, err)
		}
		resp, failed = t.limited(req, op, renewed)
	}
	if failed != nil {
		if failed.Reason == dcr.MissingScope && !op.optional {
			t.guard.lacks(failed.Scope)
		}
		return nil, failed
	}
	t.guard.accepted()
	return resp, nil
}

// again is the request once more, with its body from the start.
func again(req *http.Request) (*http.Request, error) {
	next := req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return next, nil
	}
	if req.GetBody == nil {
		return nil, errors.New("body cannot be sent again")
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("read body again: %w", err)
	}
	next.Body = body
	return next, nil
}

// limited makes one request when the budget allows.
func (t *transport) limited(req *http.Request, op operation, tok token) (*http.Response, *Error) {
	call := callOf(req.Context())
	ticket, err := t.budget.Acquire(req.Context(), budget.Call{
		Group: op.group, Class: call.class, Source: call.source, Hurry: hurryOf(req.Context()),
	})
	if err != nil {
		return nil, transportError(op.name, fmt.Errorf("wait for the rate limit: %w", err))
	}
	if err := gateOf(req.Context()); err != nil {
		ticket.Done(0, nil)
		return nil, &Error{Op: op.name, Reason: dcr.Unchecked, Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+tok.value)
	resp, failed := t.exchange(req, op.name, mask{text: tok.value, as: "[token]", also: secretOf(req.Context())})
	if resp != nil {
		ticket.Done(resp.StatusCode, resp.Header)
	} else {
		ticket.Done(0, nil)
	}
	return resp, failed
}

// exchange makes one request within the deadline of a call and reads the
// answer. The answer is returned with an error, too, if there was one. What m
// masks went out with the request and may come back in an error.
func (t *transport) exchange(req *http.Request, op string, m mask) (*http.Response, *Error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	if t.agent != "" {
		req.Header.Set("User-Agent", t.agent)
	}

	start := t.now()
	resp, failed := t.roundTrip(req.WithContext(ctx), op, m)
	if failed != nil && op == opGetToken {
		failed.Reason = tokenReason(failed.Status)
	}
	if t.onCall != nil {
		info := CallInfo{Op: op, Took: t.now().Sub(start), Err: failed, Optional: opOf(ctx).optional}
		if resp != nil {
			info.Status = resp.StatusCode
		}
		t.onCall(info)
	}
	return resp, failed
}

func (t *transport) roundTrip(req *http.Request, op string, m mask) (*http.Response, *Error) {
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, transportError(op, givenUp(req.Context(), err))
	}
	defer func() { _ = resp.Body.Close() }()
	t.noticed.note(resp.Header, t.now())

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what arrived will do
		return resp, statusError(op, resp, body, t.now(), m)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
	case len(body) > maxBody:
		err = errTooLarge
	case len(body) > 0 && !json.Valid(body), bytes.Equal(bytes.TrimSpace(body), []byte("null")):
		err = errNotJSON // the SDK panics on null where it expects a list
	}
	if err != nil {
		failed := transportError(op, fmt.Errorf("read answer: %w", givenUp(req.Context(), err)))
		failed.Status = resp.StatusCode
		if failed.Reason != dcr.Timeout {
			failed.Reason = dcr.BadResponse // it answered, only not to the end
		}
		return resp, failed
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// givenUp is why a request failed, when its context had ended that. net/http then
// returns the cause, which can be the failure of another call that this one was
// made together with, and would count twice.
func givenUp(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return ended
	}
	return err
}

// newHTTPClient returns an HTTP client that follows no redirect (an API has
// none) and keeps connections for a burst of calls.
func newHTTPClient(base http.RoundTripper) *http.Client {
	if base == nil {
		base = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        100,
			MaxIdleConnsPerHost: 100,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 10 * time.Second,
		}
	}
	return &http.Client{
		Transport:     base,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
