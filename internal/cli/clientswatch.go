package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	api "grantd/internal/http"
)

const (
	// watchEvery is how long a list on a terminal stands before it is drawn anew,
	// and watchRest how many times as long as drawing it took it stands at least:
	// a sorted one reads every client, and 100,000 of them keep a core busy for 3 s.
	watchEvery, watchRest = 2 * time.Second, 9
	// maxEvent bounds one of the daemon's events, in bytes.
	maxEvent = 4 << 20
)

// The errors of --watch.
var (
	errWatchNeedsDaemon = errors.New("--watch shows what a running daemon does, and none answers here; start it with grantd serve, or say where it answers with --socket")
	errWatchEnded       = errors.New("the daemon has stopped, or could not keep up with what was read of it; start --watch again")
)

// watchClients shows what changes until it is interrupted, which is no failure.
func (a *app) watchClients(cmd *cobra.Command, s selection) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	at, err := a.findDaemon(ctx)
	if err != nil {
		return err
	}
	if at.socket == "" {
		return errWatchNeedsDaemon
	}
	events, err := openEvents(ctx, at.socket, answerWithin)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer events.Close()
	out := cmd.OutOrStdout()
	if a.json || !a.screen(out) {
		return interrupted(ctx, followClients(events, &s, a.changePrinter(out)))
	}
	ledger := newSocketReader(at.socket)
	defer func() { _ = ledger.Close() }()
	ended := make(chan error, 1)
	go func() { ended <- followClients(events, &s, func(api.Client) error { return nil }) }()
	draw := func(now time.Time) error {
		s.now = now
		var b bytes.Buffer
		if err := collect(ctx, ledger, &s, false, &textSink{w: &b, p: a.color(out), s: &s}); err != nil {
			return err
		}
		return drawScreen(out, b.String(), terminalRows(out))
	}
	return interrupted(ctx, watchScreen(ctx, draw, ended))
}

// interrupted is err, unless that is because the person has seen enough.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// screen reports whether w can be drawn anew, which has nothing to do with
// colours.
func (a *app) screen(w io.Writer) bool {
	return terminal(w) && !slices.Contains(a.process.Environ, "TERM=dumb")
}

// watchScreen draws again and again, until the stream of events ends: then there
// is nobody to ask any more. What takes long is drawn less often.
func watchScreen(ctx context.Context, draw func(time.Time) error, ended <-chan error) error {
	for {
		began := time.Now()
		if err := draw(began); err != nil {
			return err
		}
		rest := time.NewTimer(max(watchEvery, watchRest*time.Since(began)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return ctx.Err()
		case err := <-ended:
			rest.Stop()
			return err
		case <-rest.C:
		}
	}
}

// drawScreen puts text in the place of what was there, without a flicker: every
// line clears what is left of the one before, and the last the rest. Lines end
// at the terminal's edge, and where they are too many the last says how many:
// a screen that scrolled could not be drawn over.
func drawScreen(w io.Writer, text string, rows int) error {
	text = strings.ReplaceAll(fit(text, rows), "\n", "\x1b[K\n")
	_, err := io.WriteString(w, "\x1b[H\x1b[?7l"+text+"\x1b[J\x1b[?7h")
	return err
}

// fit is what a screen of so many rows can show of text, with the cursor below
// it. A screen of 0 rows is one of an unknown size.
func fit(text string, rows int) string {
	lines := strings.SplitAfter(text, "\n")
	if rows == 0 || len(lines) <= rows {
		return text
	}
	shown := max(rows-2, 0)
	return strings.Join(lines[:shown], "") + fmt.Sprintf("%d lines more than fit here; --limit, --phase and --sort say which are shown.\n", len(lines)-1-shown)
}

// changePrinter prints a client that changed as one line.
func (a *app) changePrinter(w io.Writer) func(api.Client) error {
	return func(c api.Client) error {
		if a.json {
			b, err := json.Marshal(c)
			if err != nil {
				return err
			}
			_, err = w.Write(append(display.JSON(b), '\n'))
			return err
		}
		at := c.LastCheckedAt.Time
		if at.IsZero() {
			at = time.Now()
		}
		reason := c.Reason
		if reason == "" {
			reason = c.LastError
		}
		_, err := fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", stamp(at), display.Visible(c.ClientID), c.Phase, dash(display.Line(string(reason), 60)), display.Line(c.Name, 40))
		return err
	}
}

// openEvents opens the daemon's stream of events. They flow when it returns, and
// within some time there is at least a sign of life.
func openEvents(ctx context.Context, socket string, within time.Duration) (io.ReadCloser, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	resp, err := openStream(ctx, transport.RoundTrip, http.MethodGet, "http://grantd/api/v1/events", within)
	if errors.Is(err, errStuck) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, fmt.Errorf("ask the daemon: %s", problemMessage(resp))
	}
	return resp.Body, nil
}

// followClients passes on the clients that events tell of, if they are selected,
// until the stream ends, which is an error.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func followClients(events io.Reader, s *selection, changed func(api.Client) error) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxEvent)
	event := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case field == "":
			event = ""
		case field == "event":
			event = value
		case field == "data" && event == api.EventClient:
			var c api.Client
			if err := json.Unmarshal([]byte(value), &c); err != nil {
				return fmt.Errorf("read the daemon's events: %w", err)
			}
			now := *s
			now.now = time.Now()
			if !now.match(c) {
				continue
			}
			if err := changed(c); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); errors.Is(err, errStuck) {
		return err
	} else if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read the daemon's events: %w", err)
	}
	return errWatchEnded
}
