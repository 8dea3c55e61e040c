package http_test

import (
	"context"
	"io"
	"log/slog"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

const (
	secret = "correct-horse-battery"
	path   = "/auth0-log-webhook"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// intakeFunc is an intake in a test's words.
type intakeFunc func(ctx context.Context, body io.Reader) (feed.Receipt, error)

func (f intakeFunc) Take(ctx context.Context, _ dcr.Feed, body io.Reader) (feed.Receipt, error) {
	return f(ctx, body)
}

// drained reads all and finds nothing.
func drained(_ context.Context, body io.Reader) (feed.Receipt, error) {
	_, err := io.Copy(io.Discard, body)
	return feed.Receipt{}, err
}

// fixedHealth is a state of health in a test's words.
type fixedHealth struct {
	reasons []dcr.Reason
	report  health.Report
}

func (h fixedHealth) Ready(context.Context) []dcr.Reason { return h.reasons }

func (h fixedHealth) Report(context.Context) health.Report { return h.report }

// publicOptions are those of a listener with a real intake over a real ledger.
func publicOptions(t testing.TB) (http.PublicOptions, *store.Ledger) {
	t.Helper()
	ledger := storetest.Open(t)
	return http.PublicOptions{
		Intake:      feed.NewIntake(feed.IntakeOptions{Ledger: ledger}),
		Secrets:     http.NewSecrets(secret),
		Health:      health.New(health.Options{Ledger: ledger}),
		WebhookPath: path,
		Logger:      discard(),
	}, ledger
}

// stubbed are the options of a listener with this intake and no ledger.
func stubbed(intake intakeFunc) http.PublicOptions {
	return http.PublicOptions{
		Intake: intake, Secrets: http.NewSecrets(secret), Health: fixedHealth{},
		WebhookPath: path, Logger: discard(),
	}
}

// serve serves the handler on a socket until the test ends, and returns its
// base URL. A busy machine may take long to connect and then to ask.
func serve(t testing.TB, h nethttp.Handler, set ...func(*http.ServerOptions)) string {
	t.Helper()
	o := http.ServerOptions{Handler: h, Logger: discard(), HeaderTimeout: time.Minute}
	for _, f := range set {
		f(&o)
	}
	s, err := http.Listen(t.Context(), "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return "http://" + s.Addr().String()
}

// run serves until the test ends or stop is called.
func run(t testing.TB, s *http.Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	var stopped bool
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-served
	}
	t.Cleanup(func() {
		nethttp.DefaultClient.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// within serves the handler in a bubble of simulated time, until the test ends:
// how soon its goroutines have their turn does not matter there.
func within(t testing.TB, h nethttp.Handler) (dial func() raw, client *nethttp.Client) {
	t.Helper()
	s, connect := http.Within(http.ServerOptions{Handler: h, Logger: discard()})
	run(t, s)
	wire := &nethttp.Transport{DialContext: connect}
	t.Cleanup(wire.CloseIdleConnections)
	return func() raw {
		c, err := connect(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return raw{c, t}
	}, &nethttp.Client{Transport: wire}
}

// patient lets callers who were turned away send for as long as they like: on a
// busy machine it takes them longer than they usually have.
func patient(o *http.ServerOptions) { o.Linger = time.Minute }

// rebound wants the address let go. It is not said that no other process takes
// it for a moment.
func rebound(t testing.TB, address string) {
	t.Helper()
	eventually(t, func() bool {
		s, err := http.Listen(t.Context(), address, http.ServerOptions{Handler: nethttp.NotFoundHandler(), Logger: discard()})
		return err == nil && s.Close() == nil
	})
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header nethttp.Header
	body   string
}

// request makes a request; headers are "Name: value".
func request(t testing.TB, method, url, body string, headers ...string) answer {
	t.Helper()
	return send(t, method, url, strings.NewReader(body), headers...)
}

func send(t testing.TB, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := nethttp.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	resp, err := nethttp.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, strings.TrimSpace(string(b))}
}

const bearer = "Authorization: Bearer " + secret

// registration is a log entry as the stream delivers it.
func registration(logID, clientID string) string {
	return `{"log_id":"` + logID + `","data":{"type":"sapi","date":"2026-11-23T06:00:00.000Z","log_id":"` + logID +
		`","details":{"request":{"method":"post","path":"/oidc/register","body":{}},"response":{"statusCode":201,"body":{"client_id":"` + clientID +
		`","client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"]}}}}}`
}
