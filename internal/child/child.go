// Package child runs grantd as a process of its own and asks it how it is
// doing, over nothing but its public interfaces. The demo and the black-box
// tests are its users; killing a real process is the point of both.
package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options of a Process.
type Options struct {
	Exe  string   // the grantd binary
	Args []string // after the program's name
	Env  []string // all of its environment, KEY=VALUE
	Log  io.Writer
}

// Process is a running `grantd serve`.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; set before done is closed

	mu    sync.Mutex
	lines []string

	// Public and Admin are the addresses it listens on, host:port.
	Public, Admin string
}

// ready is the log line that says so.
type ready struct {
	Msg    string `json:"msg"`
	Public string `json:"public"`
	Admin  string `json:"admin"`
}

// Start starts the process and waits until it serves. It logs in JSON,
// whatever Env says, because its addresses are read from there.
func Start(ctx context.Context, o Options) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	p.cmd = exec.Command(o.Exe, o.Args...)
	p.cmd.Env = append(slices.Clone(o.Env), "GRANTD_LOG_FORMAT=json")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Exe, err)
	}
	serving := make(chan ready, 1)
	go func() {
		defer close(p.done)
		p.read(stderr, o.Log, serving)
		p.err = p.cmd.Wait()
	}()
	select {
	case r := <-serving:
		p.Public, p.Admin = r.Public, r.Admin
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("grantd ended before it served: %w\n%s", p.err, p.Logged())
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("wait for grantd to serve: %w\n%s", ctx.Err(), p.Logged())
	}
}

func (p *Process) read(r io.Reader, log io.Writer, serving chan<- ready) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
		if log != nil {
			fmt.Fprintln(log, line)
		}
		var m ready
		if strings.Contains(line, `"msg":"serving"`) && json.Unmarshal([]byte(line), &m) == nil {
			select {
			case serving <- m:
			default:
			}
		}
	}
}

// Logged is all that the process logged so far.
func (p *Process) Logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// Tail is the last n lines that the process logged.
func (p *Process) Tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-n):], "\n")
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process as a power cut would, kill -9, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// Reload sends SIGHUP.
func (p *Process) Reload() error { return p.cmd.Process.Signal(syscall.SIGHUP) }

// Stop sends SIGTERM and waits for the end. The error is that of the exit.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return p.err
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Client is what the demo and tests read of a client.
type Client struct {
	ClientID      string  `json:"client_id"`
	Name          string  `json:"name"`
	Phase         string  `json:"phase"`
	Reason        string  `json:"reason"`
	Message       string  `json:"message"`
	Registration  string  `json:"registration"`
	SecurityMode  string  `json:"security_mode"`
	FirstSeenFeed string  `json:"first_seen_feed"`
	TimeToReadyMS *int64  `json:"time_to_ready_ms"`
	ReadyAt       *string `json:"ready_at"`
	LastCheckedAt *string `json:"last_checked_at"`
	LastError     string  `json:"last_error"`
	Attempts      int     `json:"attempts"`
	Digest        string  `json:"digest"`
	Conditions    map[string]struct {
		Status  bool   `json:"status"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"conditions"`
}

// ErrNotFound says that grantd has no record of the client.
var ErrNotFound = errors.New("no such client")

// Client asks the admin listener for one client.
func (p *Process) Client(ctx context.Context, id string) (Client, error) {
	var c Client
	err := p.Get(ctx, "http://"+p.Admin+"/api/v1/clients/"+id, &c)
	return c, err
}

// Await asks for the client until it is in the phase, or ctx ends.
func (p *Process) Await(ctx context.Context, id, phase string) (Client, error) {
	return p.AwaitFunc(ctx, id, func(c Client) bool { return c.Phase == phase })
}

// AwaitFunc asks for the client until ok says so, or ctx ends.
func (p *Process) AwaitFunc(ctx context.Context, id string, ok func(Client) bool) (Client, error) {
	var c Client
	var err error
	ended := false
	held := Poll(ctx, func() bool {
		select {
		case <-p.done:
			ended = true
			return true
		default:
		}
		c, err = p.Client(ctx, id)
		return err == nil && ok(c)
	})
	switch {
	case ended:
		return c, fmt.Errorf("grantd ended: %w", p.err)
	case !held:
		return c, fmt.Errorf("wait for client %s: %w (last: phase %q, reason %q, message %q, error: %w)", id, ctx.Err(), c.Phase, c.Reason, c.Message, err)
	}
	return c, nil
}

// Poll asks until ok says so, every few milliseconds. It reports false when
// ctx ends first.
func Poll(ctx context.Context, ok func() bool) bool {
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Get decodes the JSON at url into v.
func (p *Process) Get(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK, http.StatusServiceUnavailable:
		return json.NewDecoder(resp.Body).Decode(v)
	case http.StatusNotFound:
		return ErrNotFound
	default:
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
}
