package tenantsim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// run delivers until the stream or the tenant is gone.
func (s *Stream) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		for s.ready() {
			d := s.settings()
			if !s.t.pause(ctx, d.Wait) {
				return
			}
			if err := s.attempts(ctx, d); ctx.Err() != nil {
				return
			} else if err != nil && !s.t.pause(ctx, d.Cycle) {
				return
			}
		}
	}
}

// attempts delivers one batch, trying again after the pauses of Retries.
func (s *Stream) attempts(ctx context.Context, d Delivery) error {
	_, err := s.Deliver(ctx)
	for _, wait := range d.Retries {
		if err == nil || !s.t.pause(ctx, wait) || !s.ready() {
			break
		}
		_, err = s.Deliver(ctx)
	}
	return err
}

func (s *Stream) settings() Delivery {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	d := s.sink.Delivery
	if d.Retries == nil {
		d.Retries = []time.Duration{time.Second, 2 * time.Second}
	}
	if d.Cycle <= 0 {
		d.Cycle = 30 * time.Second
	}
	return d
}

// ready reports whether something may be sent now.
func (s *Stream) ready() bool {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	return s.open() && len(s.queue) > 0
}

func (s *Stream) open() bool { return s.status == streamActive && !s.holding && !s.removed }

// Request is one delivery as it goes out.
type Request struct {
	URL    string
	Header http.Header
	Body   []byte
	LogIDs []string
}

// Next is the delivery that would be sent now, without sending it. It is false
// if nothing waits.
func (s *Stream) Next() (Request, bool) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	batch := s.queue[:min(s.batchSize(), len(s.queue))]
	if len(batch) == 0 {
		return Request{}, false
	}
	return s.request(batch), true
}

// Deliver sends one batch, once, and returns how many entries were
// acknowledged. Entries of a refused delivery wait for the next. It sends
// nothing while the stream is paused or held.
func (s *Stream) Deliver(ctx context.Context) (int, error) {
	batch, req, copies, lost := s.take()
	if len(batch) == 0 || lost {
		return 0, nil
	}
	var err error
	for range 1 + copies {
		if err = s.send(ctx, req); err != nil {
			break
		}
	}
	s.settle(batch, err)
	if err != nil {
		return 0, err
	}
	return len(batch), nil
}

// Flush delivers batches until nothing waits; the first failure ends it.
func (s *Stream) Flush(ctx context.Context) (int, error) {
	sent := 0
	for s.ready() {
		n, err := s.Deliver(ctx)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (s *Stream) batchSize() int {
	switch {
	case s.sink.Format == JSONObject && !s.t.quirks.LogsInOneObject:
		return 1
	case s.sink.Delivery.Batch > 0:
		return s.sink.Delivery.Batch
	}
	return 100
}

// take removes the next batch from the queue.
func (s *Stream) take() (batch []*Log, req Request, copies int, lost bool) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if !s.open() || len(s.queue) == 0 {
		return nil, Request{}, 0, false
	}
	if s.sink.Delivery.Shuffle {
		s.t.rand.Shuffle(len(s.queue), func(i, j int) { s.queue[i], s.queue[j] = s.queue[j], s.queue[i] })
	}
	n := min(s.batchSize(), len(s.queue))
	batch = slices.Clone(s.queue[:n])
	s.queue = s.queue[n:]
	unlucky := s.sink.Delivery.Lose > 0 && s.t.rand.Float64() < s.sink.Delivery.Lose
	if s.drop > 0 || unlucky {
		s.drop = max(0, s.drop-1)
		s.stats.Dropped += n
		return batch, Request{}, 0, true
	}
	return batch, s.request(batch), s.sink.Delivery.Copies, false
}

// maxStreamErrors is how many errors the stream's health shows.
const maxStreamErrors = 10

// failingFor is how long a stream may fail before Auth0 pauses it.
// https://auth0.com/docs/customize/log-streams
const failingFor = 7 * 24 * time.Hour

// settle counts a delivery; a failed one goes back to the head of the queue.
func (s *Stream) settle(batch []*Log, err error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if err == nil {
		s.stats.Delivered += len(batch)
		s.failing = time.Time{}
		return
	}
	s.queue = append(batch, s.queue...)
	s.stats.Errors = append(s.stats.Errors, err.Error())
	if n := len(s.stats.Errors); n > maxStreamErrors {
		s.stats.Errors = slices.Delete(s.stats.Errors, 0, n-maxStreamErrors)
	}
	now := s.t.now()
	if s.failing.IsZero() {
		s.failing = now
	}
	if now.Sub(s.failing) >= failingFor {
		s.status = streamPaused
	}
}

// request frames a batch.
func (s *Stream) request(batch []*Log) Request {
	out := Request{URL: s.sink.URL, Header: http.Header{}}
	entries := make([]json.RawMessage, len(batch))
	for i, l := range batch {
		out.LogIDs = append(out.LogIDs, l.ID)
		entries[i] = withExtra(struct {
			ID   string          `json:"log_id"`
			Data json.RawMessage `json:"data"`
		}{l.ID, s.masked(l.stream())}, nil)
	}
	out.Body = frame(s.sink.Format, entries, s.t.quirks.LogsInOneObject)
	out.Header.Set("Content-Type", s.sink.ContentType)
	out.Header.Set("User-Agent", "auth0-logstream")
	for name, value := range s.sink.Headers {
		out.Header.Set(name, value)
	}
	if s.sink.Authorization != "" {
		out.Header.Set("Authorization", s.sink.Authorization)
	}
	if s.sink.Delivery.Gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(out.Body) // a buffer takes all
		_ = z.Close()
		out.Body = b.Bytes()
		out.Header.Set("Content-Encoding", "gzip")
	}
	return out
}

func frame(format Format, entries []json.RawMessage, inOneObject bool) []byte {
	switch {
	case format == JSONArray:
		return append(append([]byte("["), bytes.Join(raw(entries), []byte(","))...), ']')
	case format == JSONObject && inOneObject:
		return append(append([]byte(`{"logs":[`), bytes.Join(raw(entries), []byte(","))...), "]}"...)
	case format == JSONObject:
		return bytes.Join(raw(entries), []byte("\n"))
	}
	return append(bytes.Join(raw(entries), []byte("\n")), '\n')
}

func raw(entries []json.RawMessage) [][]byte {
	out := make([][]byte, len(entries))
	for i, e := range entries {
		out[i] = e
	}
	return out
}

// send posts one delivery; anything but 2xx is an error.
func (s *Stream) send(ctx context.Context, d Request) error {
	timeout := s.settings().Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, err := s.post(ctx, d)
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.stats.Requests++
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("the webhook answered %d", status)
	}
	if err != nil {
		s.stats.Failures++
		return fmt.Errorf("deliver logs: %w", err)
	}
	return nil
}

func (s *Stream) post(ctx context.Context, d Request) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, err
	}
	req.Header = d.Header
	res, err := s.t.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, errors.Join(err, res.Body.Close())
}
