package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// Options of the tour.
type Options struct {
	Exe   string // the grantd binary
	Out   io.Writer
	Color bool
	// Keep keeps tenant and daemon up after the tour, until ctx ends.
	Keep bool
}

// ErrFailed says that something did not hold.
var ErrFailed = errors.New("the demo failed: not everything it claims held")

// tour is the demo under way.
type tour struct {
	*stage
	*world
}

// Run gives the tour and returns what it found. The error is ErrFailed when a
// check did not hold, and another when the tour could not go on.
func Run(ctx context.Context, o Options) (Report, error) {
	t := tour{stage: &stage{out: o.Out, color: o.Color, began: time.Now()}}
	fmt.Fprintf(o.Out, "%s\n", t.paint(bold, "grantd demo: a simulated Auth0 tenant, a real grantd, no account needed."))
	t.say("Every Management API call takes %s. A user logs in only if Auth0's rules let them.", ms(latency))
	w, err := newWorld(ctx, o.Exe)
	if err != nil {
		return Report{}, err
	}
	defer w.close()
	t.world = w
	var first string
	for _, act := range []func(context.Context) error{
		func(ctx context.Context) (err error) { first, err = t.registers(ctx); return err },
		t.again, t.lost,
		func(ctx context.Context) error { return t.tool(ctx, first) },
		t.intruders, t.powerCut,
	} {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		began := time.Now()
		t.mark = len(t.tenant.Calls())
		err := act(ctx)
		cancel()
		if err != nil {
			return t.report, err
		}
		t.aside("%.2f s. %s", time.Since(began).Seconds(), spell(t.calls()))
		t.report.Calls += len(t.calls())
	}
	report := t.end()
	if o.Keep {
		t.say("\nStill up until you press Ctrl-C:\n  http://%s/health/auth0\n  http://%s/api/v1/clients\n  grantd clients list --env-file %s", t.daemon.Public, t.daemon.Admin, t.envFile())
		<-ctx.Done()
	}
	if !report.OK {
		return report, ErrFailed
	}
	return report, nil
}

// register is ChatGPT adding the connector, by RFC 7591.
func (t tour) register(callback string) (tenantsim.Client, error) {
	return t.tenant.Register(tenantsim.ChatGPT(callback))
}

func (t tour) registers(ctx context.Context) (string, error) {
	t.act("ChatGPT registers itself, and its user can log in")
	t.stream.Hold()
	c, err := t.register("first")
	if err != nil {
		return "", err
	}
	t.say("POST /oidc/register gave %s, which is of no use yet:", c.ID)
	_, err = t.login(c.ID)
	t.aside("%v", err)
	t.check(err != nil, "before, Auth0 turns the user away")
	t.stream.Release()
	rec, err := t.daemon.Await(ctx, c.ID, "ready")
	if err != nil {
		return "", err
	}
	n := len(t.calls())
	took := time.Duration(0)
	if rec.TimeToReadyMS != nil {
		took = time.Duration(*rec.TimeToReadyMS) * time.Millisecond
	}
	t.check(n <= 4, "ready %s after it registered, with %d Management API calls", ms(took), n)
	scopes, err := t.login(c.ID)
	t.check(err == nil && slices.Equal(scopes, strings.Fields(t.scopes)), "the user logs in and the token holds: %s", strings.Join(scopes, " "))
	return c.ID, nil
}

func (t tour) again(ctx context.Context) error {
	t.act("Auth0 delivers the same entry again, as it may")
	r, err := t.post(ctx, t.delivered())
	if err != nil {
		return err
	}
	t.check(r.Received > 0 && r.Sightings == 0, "grantd knows it already: %d received, %d new", r.Received, r.Sightings)
	t.check(len(t.calls()) == 0, "0 Management API calls")
	return nil
}

func (t tour) lost(ctx context.Context) error {
	t.act("A webhook is lost, and the poll finds the client")
	t.stream.Drop(1)
	began := time.Now()
	c, err := t.register("second")
	if err != nil {
		return err
	}
	rec, err := t.daemon.Await(ctx, c.ID, "ready")
	if err != nil {
		return err
	}
	t.check(rec.FirstSeenFeed == "poll", "found by the poll of the tenant log, ready after %.1f s", time.Since(began).Seconds())
	t.check(len(t.calls()) <= 4, "nothing else was needed")
	return nil
}

func (t tour) tool(ctx context.Context, first string) error {
	t.act("Your MCP server gets a new tool: TOOL_SCOPES grows")
	t.scopes = "notes:read notes:share notes:write"
	before, err := t.daemon.Client(ctx, first)
	if err != nil {
		return err
	}
	if err := t.writeEnv(); err != nil {
		return err
	}
	t.say("edit the env file, then: systemctl reload grantd")
	if err := t.daemon.Reload(); err != nil {
		return err
	}
	clients := t.tenant.Clients()
	repaired := 0
	for _, c := range clients {
		if !strings.HasPrefix(c.ID, "tpc_") {
			continue
		}
		if _, err := t.daemon.AwaitFunc(ctx, c.ID, func(r child.Client) bool {
			return r.Phase == "ready" && r.Digest != before.Digest
		}); err != nil {
			return err
		}
		if g, ok := t.tenant.UserGrant(c.ID, audience); ok && slices.Equal(slices.Sorted(slices.Values(g.Scopes)), strings.Fields(t.scopes)) {
			repaired++
		}
	}
	t.check(repaired == 2, "%d of 2 grants hold the new scope, no restart", repaired)
	scopes, err := t.login(first)
	t.check(err == nil && slices.Contains(scopes, "notes:share"), "the next token holds: %s", strings.Join(scopes, " "))
	return nil
}

func (t tour) intruders(ctx context.Context) error {
	t.act("Intruders: anybody can register, not anybody is served")
	stranger := tenantsim.ChatGPT("x")
	stranger.RedirectURIs = []string{"https://evil.example/callback"}
	double := tenantsim.ChatGPT("x")
	double.RedirectURIs = []string{"https://chatgpt.com.evil.example/connector/oauth/abc"}
	before, _ := t.tenant.Client(botClient)
	var ids []string
	for _, r := range []tenantsim.Registration{stranger, double} {
		c, err := t.tenant.Register(r)
		if err != nil {
			return err
		}
		ids = append(ids, c.ID)
	}
	forged := fmt.Sprintf(`{"log_id":"forged-1","data":{"type":"sapi","date":%q,"description":"Dynamic client registration","log_id":"forged-1",`+
		`"details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,"body":{"client_id":%q,"redirect_uris":["https://chatgpt.com/connector_platform_oauth_redirect"]}}}}}`,
		time.Now().UTC().Format(time.RFC3339Nano), botClient)
	if _, err := t.post(ctx, []byte(forged)); err != nil {
		return err
	}
	ids = append(ids, botClient)
	for i, what := range []string{
		"a client named ChatGPT that sends its users to evil.example",
		"a look-alike: chatgpt.com.evil.example",
		"a forged log entry that names somebody's machine-to-machine app",
	} {
		rec, err := t.daemon.Await(ctx, ids[i], "refused")
		if err != nil {
			return err
		}
		t.check(rec.Phase == "refused", "refused (%s): %s", rec.Reason, what)
	}
	writes := 0
	for _, c := range t.calls() {
		if c.Write() {
			writes++
		}
	}
	after, _ := t.tenant.Client(botClient)
	t.check(writes == 0 && after.AppType == before.AppType, "%d writes; the machine-to-machine app is as it was", writes)
	_, err := t.login(ids[0])
	t.check(err != nil, "nobody can log in through the stranger")
	return nil
}

func (t tour) powerCut(ctx context.Context) error {
	t.act("The tenant is down, a client registers, and the power fails")
	t.tenant.Faults(managementDown)
	c, err := t.register("third")
	if err != nil {
		return err
	}
	if _, err := t.daemon.AwaitFunc(ctx, c.ID, func(child.Client) bool { return true }); err != nil {
		return err
	}
	t.say("the delivery is acknowledged, the Management API answers 503, kill -9 %d", t.daemon.PID())
	t.daemon.Kill()
	_, err = t.login(c.ID)
	t.check(err != nil, "the client is not usable yet")
	t.tenant.Faults(nil)
	t.say("the tenant is back, grantd starts again")
	began := time.Now()
	if err := t.startDaemon(ctx); err != nil {
		return err
	}
	if _, err := t.daemon.Await(ctx, c.ID, "ready"); err != nil {
		return err
	}
	t.check(true, "ready %.1f s after the start", time.Since(began).Seconds())
	scopes, err := t.login(c.ID)
	t.check(err == nil, "the user logs in and the token holds: %s", strings.Join(scopes, " "))
	t.check(len(t.tenant.Grants(c.ID)) == 1, "with exactly one grant")
	t.check(len(t.tenant.TokenRequests()) == 1, "one Management token for the whole tour, restart included")
	return nil
}

// spell names calls in the order in which they came.
func spell(calls []tenantsim.Call) string {
	if len(calls) == 0 {
		return "No Management API calls."
	}
	names := make([]string, 0, len(calls))
	for _, c := range calls {
		names = append(names, c.Operation)
	}
	return fmt.Sprintf("%d Management API calls: %s.", len(calls), strings.Join(names, ", "))
}
