package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"grantd/internal/display"
)

// maxAnswer bounds what is read of an answer of the authority, in bytes.
const maxAnswer = 1 << 20

// wire carries the requests of one try. It is cut when its context ends, keeps
// answers within bounds, and remembers what the authority said was wrong: of a
// proof that failed autocert tells only that there is no other way to prove it.
type wire struct {
	ctx  context.Context //nolint:containedctx // that of the try; autocert has its own for requests
	next http.RoundTripper
	now  func() time.Time

	mu        sync.Mutex
	said      string
	notBefore time.Time
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.ctx.Err() != nil {
		return nil, errors.New("the try is over")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	resp, err := w.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	_ = resp.Body.Close()
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxAnswer:
		return nil, errors.New("the answer is larger than 1 MiB")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	w.listen(resp, body)
	return resp, nil
}

// problem is an error as RFC 7807 and RFC 8555, section 6.7, have it.
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// listen remembers what an answer says is wrong.
func (w *wire) listen(resp *http.Response, body []byte) {
	var said struct {
		problem
		Error      problem `json:"error"` // of an order
		Challenges []struct {
			Error problem `json:"error"`
		} `json:"challenges"` // of an authorization
	}
	if json.Unmarshal(body, &said) != nil {
		said.problem = problem{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case resp.StatusCode < 400 && said.Error.Detail != "":
		w.said = said.Error.Detail
	case resp.StatusCode < 400:
		for _, c := range said.Challenges {
			if c.Error.Detail != "" {
				w.said = c.Error.Detail
			}
		}
	case strings.HasSuffix(said.Type, ":badNonce"): // part of the protocol; it is asked again
	case said.Detail != "":
		w.said = said.Detail
	default:
		w.said = "HTTP " + strconv.Itoa(resp.StatusCode)
	}
	if resp.StatusCode >= 400 {
		if after := retryAfter(resp.Header.Get("Retry-After"), w.now()); after.After(w.notBefore) {
			w.notBefore = after
		}
	}
}

// retryAfter is when a header allows the next try, at most maxWait from now;
// zero if it does not say.
func retryAfter(header string, now time.Time) time.Time {
	at := time.Time{}
	if s, err := strconv.ParseInt(header, 10, 32); err == nil && s >= 0 {
		at = now.Add(time.Duration(s) * time.Second)
	} else if t, err := http.ParseTime(header); err == nil {
		at = t
	}
	if latest := now.Add(maxWait); at.After(latest) {
		return latest
	}
	return at
}

// explain adds to the error of a try what the authority said, and when it wants
// to be asked again, if it does.
func (w *wire) explain(err error) (notBefore time.Time, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if said := display.Line(w.said, 300); said != "" && !strings.Contains(err.Error(), said) {
		err = fmt.Errorf("the authority says: %s (%w)", said, err)
	}
	return w.notBefore, err
}
