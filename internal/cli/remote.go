package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	api "grantd/internal/http"
)

// remote gives commands to the running daemon over its control socket.
type remote struct {
	http *http.Client
	wait time.Duration // for what is answered at once, and for a sign of life
}

// answerWithin is how long a daemon may take for what costs no call to Auth0.
const answerWithin = 30 * time.Second

func newRemote(path string) remote {
	// Without a timeout: a command takes as long as Auth0's rate limit makes it, and
	// the daemon shows meanwhile that it lives.
	return remote{&http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}, answerWithin}
}

// errStuck: whoever holds the socket takes requests and does nothing.
var errStuck = fmt.Errorf("the daemon takes the request and was silent for %d seconds; it may still do it. See systemctl status grantd, and if it is stuck, restart it", int(answerWithin.Seconds()))

// Plan implements api.Commands.
func (r remote) Plan(ctx context.Context, progress func(api.Progress)) (api.Plan, error) {
	m, err := r.run(ctx, "/api/v1/plan", progress)
	return lastly(m.Plan, err)
}

// Sync implements api.Commands.
func (r remote) Sync(ctx context.Context, adopt bool, progress func(api.Progress)) (api.Synced, error) {
	path := "/api/v1/sync"
	if adopt {
		path += "?" + url.Values{"adopt": {"true"}}.Encode()
	}
	m, err := r.run(ctx, path, progress)
	return lastly(m.Synced, err)
}

// errCutShort says that the daemon ended before it was done.
var errCutShort = errors.New("the daemon ended before it had answered; what a sync has begun it goes on with when it runs again")

// lastly is what a command was to end with, of the last message.
func lastly[T any](v *T, err error) (T, error) {
	if err == nil && v == nil {
		err = errCutShort
	}
	if err != nil {
		return *new(T), err
	}
	return *v, nil
}

// run gives a command and returns its last message.
func (r remote) run(ctx context.Context, path string, progress func(api.Progress)) (api.Message, error) {
	resp, err := openStream(ctx, r.http.Do, http.MethodPost, "http://grantd"+path, r.wait)
	switch {
	case errors.Is(err, errStuck):
		return api.Message{}, errStuck
	case errors.Is(err, syscall.ECONNREFUSED):
		return api.Message{}, errJustStopped
	case err != nil:
		return api.Message{}, fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return api.Message{}, fmt.Errorf("ask the daemon: %s; is it of another version than this command?", resp.Status)
	}
	lines := json.NewDecoder(resp.Body)
	for {
		var m api.Message
		switch err := lines.Decode(&m); {
		case ctx.Err() != nil:
			return m, ctx.Err()
		case errors.Is(err, errStuck):
			return m, errStuck
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
			return m, errCutShort
		case err != nil:
			return m, fmt.Errorf("read the daemon's answer: %w", err)
		case m.Problem != nil:
			return m, errors.New(m.Problem.Message)
		case m.Progress != nil:
			progress(*m.Progress)
		default:
			return m, nil
		}
	}
}
