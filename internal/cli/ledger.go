package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"grantd/internal/config"
	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/store"
)

// ledgerReader is how commands read the ledger: through the daemon while one
// runs, else from the file.
type ledgerReader interface {
	Clients(ctx context.Context, phase dcr.Phase, limit int, after string) (api.ClientList, error)
	Client(ctx context.Context, id string) (api.Client, error)
	Journal(ctx context.Context, id string, limit int, after string) (api.JournalList, error)
	Holds(ctx context.Context) (api.HoldList, error)
	io.Closer
}

// errNoClient says that the ledger has no such client.
var errNoClient = errors.New("no such client in the ledger")

// errJustStopped: the daemon answered when it was looked for, and no more.
var errJustStopped = errors.New("the daemon has just stopped; try again")

// openLedger finds the running daemon, or opens the ledger's file for reading.
func (a *app) openLedger(ctx context.Context) (ledgerReader, error) {
	at, err := a.findDaemon(ctx)
	switch {
	case err != nil:
		return nil, err
	case at.socket != "":
		return newSocketReader(at.socket), nil
	}
	file, err := openFile(ctx, at.dirs...)
	if errors.Is(err, store.ErrLocked) {
		// A daemon has it, and not its socket where we looked.
		for _, path := range systemSockets() {
			if answers(ctx, path) == nil {
				return newSocketReader(path), nil
			}
		}
	}
	return file, err
}

// whereabouts is where the running daemon answers, or, if none does, where its
// ledger can be.
type whereabouts struct {
	socket string
	dirs   []string
}

func systemSockets() []string {
	return []string{"/run/grantd/grantd.sock", "/var/lib/grantd/grantd.sock"}
}

// findDaemon looks for a running daemon.
func (a *app) findDaemon(ctx context.Context) (whereabouts, error) {
	c, _, err := config.LoadOnly(a.source(), "GRANTD_STATE_DIR", "GRANTD_SOCKET")
	if err != nil {
		return whereabouts{}, usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	sockets, dirs := []string{c.Socket}, []string{c.StateDir}
	if c.Origin("GRANTD_SOCKET") != config.FromDefault {
		// The daemon may have been started without the variable.
		sockets = append(sockets, filepath.Join(c.StateDir, "grantd.sock"))
	} else if c.Origin("GRANTD_STATE_DIR") == config.FromDefault {
		// Whoever says nothing means the daemon of this machine.
		sockets = append(sockets, systemSockets()...)
		dirs = append(dirs, "/var/lib/grantd")
	}
	if a.socket != "" {
		sockets = []string{a.socket}
	}
	var denied error
	for _, path := range sockets {
		err := answers(ctx, path)
		switch {
		case err == nil:
			return whereabouts{socket: path}, nil
		case errors.Is(err, fs.ErrPermission):
			denied = fmt.Errorf("the daemon's socket %s is for its owner and root alone: try sudo", path)
		case a.socket != "":
			return whereabouts{}, fmt.Errorf("no daemon answers at --socket %s: %w; without --socket, the ledger's file is read", path, cause(err))
		}
	}
	return whereabouts{dirs: dirs}, denied
}

// answers reports why nobody answers at a socket, nil if somebody does.
func answers(ctx context.Context, path string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// cause is what the system said, without the addresses that a network error
// repeats.
func cause(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

func openFile(ctx context.Context, dirs ...string) (ledgerReader, error) {
	l, err := openExisting(ctx, store.Options{ReadOnly: true}, dirs...)
	if err != nil {
		return nil, err
	}
	return fileReader{l}, nil
}

// openExisting opens the ledger that is in the first of the directories that
// have one.
func openExisting(ctx context.Context, o store.Options, dirs ...string) (*store.Ledger, error) {
	path, err := findLedger(dirs)
	switch {
	case err != nil:
		return nil, err
	case path == "":
		return nil, fmt.Errorf("no daemon runs here, and there is no ledger in %s; GRANTD_STATE_DIR, in the environment or in --env-file, says where it is", dirs[0])
	}
	o.Path = path
	l, err := store.Open(ctx, o)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, forOthers(path)
	case errors.Is(err, store.ErrLocked):
		return nil, fmt.Errorf("%w; is a daemon running whose socket is elsewhere? --socket or GRANTD_SOCKET says where", err)
	case err != nil:
		return nil, err
	}
	return l, nil
}

// findLedger is the path of the ledger in the first of the directories that has
// one, empty if none has. One that cannot be looked into might.
func findLedger(dirs []string) (string, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, "grantd.db")
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, fs.ErrPermission):
			return "", forOthers(path)
		default:
			return "", fmt.Errorf("look for the ledger: %w", err)
		}
	}
	return "", nil
}

func forOthers(path string) error {
	return fmt.Errorf("the ledger %s is for its owner and root alone: try sudo, or name another directory by GRANTD_STATE_DIR", path)
}

// fileReader reads the ledger's file while no daemon runs.
type fileReader struct{ *store.Ledger }

func (f fileReader) Clients(ctx context.Context, phase dcr.Phase, limit int, after string) (api.ClientList, error) {
	page, next, err := f.Ledger.Clients(ctx, store.Query{Phase: phase, Limit: limit, After: after})
	return api.ClientListView(page, next), err
}

func (f fileReader) Client(ctx context.Context, id string) (api.Client, error) {
	r, err := f.Ledger.Client(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = errNoClient
	}
	return api.ClientView(r), err
}

// socketReader asks the running daemon over its control socket.
type socketReader struct{ http *http.Client }

func newSocketReader(path string) socketReader {
	return socketReader{&http.Client{
		Timeout: answerWithin,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}},
	}}
}

func (s socketReader) Clients(ctx context.Context, phase dcr.Phase, limit int, after string) (list api.ClientList, err error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if phase != "" {
		q.Set("phase", string(phase))
	}
	if after != "" {
		q.Set("after", after)
	}
	return list, s.get(ctx, "/api/v1/clients?"+q.Encode(), &list)
}

func (s socketReader) Client(ctx context.Context, id string) (c api.Client, err error) {
	return c, s.get(ctx, "/api/v1/clients/"+url.PathEscape(id), &c)
}

func (s socketReader) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

func (s socketReader) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://grantd"+path, nil)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errJustStopped
	}
	stuck := func(err error) bool {
		e, ok := errors.AsType[net.Error](err)
		return ok && e.Timeout() && ctx.Err() == nil
	}
	if stuck(err) {
		return errStuck
	}
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errNoClient
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the daemon: %s", problemMessage(resp))
	}
	err = json.NewDecoder(resp.Body).Decode(v)
	if stuck(err) {
		return errStuck
	}
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	return nil
}

// problemMessage is what the daemon says went wrong.
func problemMessage(resp *http.Response) string {
	var p api.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil {
		return resp.Status
	}
	return p.Message
}
