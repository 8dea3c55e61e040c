package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// openStream asks for what comes bit by bit, for as long as it takes. A daemon
// that lives shows so more often than every wait; one that does not, because it
// is stopped or stuck, ends the stream with errStuck.
func openStream(ctx context.Context, do func(*http.Request) (*http.Response, error), method, url string, wait time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer := time.AfterFunc(wait, func() { cancel(errStuck) })
	resp, err := do(req)
	timer.Stop()
	s := &stream{ctx: ctx, cancel: cancel, timer: timer, wait: wait}
	if err != nil {
		err = s.cause(err)
		cancel(nil)
		return nil, err
	}
	s.body, resp.Body = resp.Body, s
	return resp, nil
}

// stream is an answer that may not be silent for too long while it is read.
type stream struct {
	ctx    context.Context //nolint:containedctx // of the request, which is under way until Close
	cancel context.CancelCauseFunc
	timer  *time.Timer
	wait   time.Duration
	body   io.ReadCloser
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.timer.Reset(s.wait)
	n, err := s.body.Read(p)
	s.timer.Stop()
	return n, s.cause(err)
}

// cause is errStuck instead of what came of it.
func (s *stream) cause(err error) error {
	if err != nil && errors.Is(context.Cause(s.ctx), errStuck) {
		return errStuck
	}
	return err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.timer.Stop()
	s.cancel(nil)
	return s.body.Close()
}
