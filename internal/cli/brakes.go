package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"grantd/internal/daemon"
	api "grantd/internal/http"
	"grantd/internal/store"
)

// brakes finds who sets and releases holds: the running daemon, or this process
// in the ledger's file, for which no configuration is needed but where it is.
// done must be called in the end, once.
func (a *app) brakes(ctx context.Context) (_ api.Brakes, done func(), err error) {
	daemonAt, l, err := a.writableLedger(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case l == nil:
		return newRemote(daemonAt), func() {}, nil
	}
	// Whoever gives the command reads in its output what the log would say.
	return daemon.NewBrakes(l, slog.New(slog.DiscardHandler)), func() { _ = l.Close() }, nil
}

// writableLedger finds the running daemon's socket, or opens the ledger's file
// to be written, which the caller closes.
func (a *app) writableLedger(ctx context.Context) (socket string, l *store.Ledger, err error) {
	at, err := a.findDaemon(ctx)
	if err != nil || at.socket != "" {
		return at.socket, nil, err
	}
	l, err = openExisting(ctx, store.Options{Existing: true}, at.dirs...)
	if errors.Is(err, store.ErrLocked) {
		// A daemon has it, and not its socket where we looked.
		for _, path := range systemSockets() {
			if answers(ctx, path) == nil {
				return path, nil, nil
			}
		}
	}
	return "", l, err
}

// Hold implements api.Brakes.
func (r remote) Hold(ctx context.Context, req api.HoldRequest) (set api.HoldSet, err error) {
	q := url.Values{}
	if req.ClientID != "" {
		q.Set("client_id", req.ClientID)
	}
	if req.For > 0 {
		q.Set("for", req.For.String())
	}
	return set, r.ask(ctx, http.MethodPost, "/api/v1/holds?"+q.Encode(), &set)
}

// Release implements api.Brakes.
func (r remote) Release(ctx context.Context, s store.HoldSelector) (released api.HoldsReleased, err error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"scope": string(s.Scope), "client_id": s.ClientID, "field": string(s.Field), "reason": string(s.Reason),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if s.All {
		q.Set("all", "true")
	}
	err = r.ask(ctx, http.MethodDelete, "/api/v1/holds?"+q.Encode(), &released)
	if errors.Is(err, errNotThere) {
		err = api.ErrNoHold
	}
	return released, err
}

// errNotThere says that the daemon does not have what was asked for.
var errNotThere = errors.New("the daemon has no such thing")

// ask makes a request that is answered at once.
func (r remote) ask(ctx context.Context, method, path string, v any) error {
	waiting, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	req, err := http.NewRequestWithContext(waiting, method, "http://grantd"+path, nil)
	if err != nil {
		return err
	}
	resp, err := r.http.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errJustStopped
	case ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() != nil:
		return errStuck
	case err != nil:
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			return fmt.Errorf("read the daemon's answer: %w", err)
		}
		return nil
	case http.StatusNotFound:
		return errNotThere
	}
	var p api.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Message == "" {
		return fmt.Errorf("ask the daemon: %s; is it of another version than this command?", resp.Status)
	}
	return problemError{p}
}

// problemError is what the daemon says went wrong.
type problemError struct{ api.Problem }

func (e problemError) Error() string { return "ask the daemon: " + e.Message }

func (f fileReader) Holds(ctx context.Context) (api.HoldList, error) {
	holds, err := daemon.HoldsInForce(ctx, f.Ledger, time.Now())
	return api.HoldListView(holds), err
}

func (s socketReader) Holds(ctx context.Context) (list api.HoldList, err error) {
	return list, s.get(ctx, "/api/v1/holds", &list)
}

var _ api.Brakes = remote{}
