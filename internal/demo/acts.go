package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// register is ChatGPT adding the connector, by RFC 7591.
func (t *tour) register(callback string) (tenantsim.Client, error) {
	return t.tenant.Register(tenantsim.ChatGPT(callback))
}

func (t *tour) registers(ctx context.Context) error {
	t.act("ChatGPT registers itself, and its user can log in")
	t.stream.Hold()
	c, err := t.register("first")
	if err != nil {
		return err
	}
	t.first = c.ID
	_, err = t.login(c.ID) // at once: the next poll finds the client too
	t.say("POST /oidc/register gives %s, which is of no use yet.", c.ID)
	t.check(err != nil, "at first, Auth0 turns its user away:")
	t.aside("%v", err)
	t.say("The log stream delivers the registration to grantd.")
	t.stream.Release()
	rec, err := t.ready(ctx, c.ID)
	if err != nil {
		return err
	}
	n := len(t.calls())
	took := time.Duration(0)
	if rec.TimeToReadyMS != nil {
		took = time.Duration(*rec.TimeToReadyMS) * time.Millisecond
	}
	t.check(n <= 4, "ready %s after it registered, with %d Management API calls", ms(took), n)
	t.checkLogin(c.ID)
	return nil
}

// ready waits until the client is ready. It does not wait for somebody to act.
func (t *tour) ready(ctx context.Context, id string) (child.Client, error) {
	c, err := t.daemon.AwaitFunc(ctx, id, func(c child.Client) bool {
		return c.Phase == "ready" || c.Phase == "blocked" || c.Phase == "refused"
	})
	if err == nil && c.Phase != "ready" {
		err = fmt.Errorf("the client is %s, %s: %s", c.Phase, c.Reason, c.Message)
	}
	return c, err
}

// checkLogin checks that a user can log in and gets all scopes.
func (t *tour) checkLogin(clientID string) {
	scopes, err := t.login(clientID)
	if err != nil {
		t.check(false, "the user cannot log in: %v", err)
		return
	}
	t.check(slices.Equal(slices.Sorted(slices.Values(scopes)), strings.Fields(t.scopes)),
		"the user logs in, and the token holds: %s", strings.Join(scopes, " "))
}

func (t *tour) again(ctx context.Context) error {
	t.act("Auth0 delivers everything again, as it may")
	r, err := t.post(ctx, t.delivered())
	if err != nil {
		return err
	}
	t.check(r.Received > 0 && r.Sightings == 0, "grantd knows it all: %d entries received, %d new", r.Received, r.Sightings)
	if err := t.polled(ctx); err != nil {
		return err
	}
	t.check(len(t.calls()) == 0, "the poll has brought them once more: still %d Management API calls", len(t.calls()))
	return nil
}

func (t *tour) lost(ctx context.Context) error {
	t.act("A webhook is lost, and the poll finds the client")
	if err := t.delivering(ctx); err != nil {
		return err
	}
	t.stream.Drop(1)
	began := time.Now()
	c, err := t.register("second")
	if err != nil {
		return err
	}
	rec, err := t.ready(ctx, c.ID)
	if err != nil {
		return err
	}
	t.check(rec.FirstSeenFeed == "poll", "found by the %s of the tenant log, ready after %.1f s", rec.FirstSeenFeed, time.Since(began).Seconds())
	t.check(len(t.calls()) <= 4, "with %d Management API calls, as ever", len(t.calls()))
	t.checkLogin(c.ID)
	return nil
}

func (t *tour) tool(ctx context.Context) error {
	t.act("Your MCP server gets a new tool: TOOL_SCOPES grows")
	t.scopes = "notes:read notes:share notes:write"
	before, err := t.daemon.Client(ctx, t.first)
	if err != nil {
		return err
	}
	if err := t.writeEnv(); err != nil {
		return err
	}
	t.say("The env file is edited, then: systemctl reload grantd.")
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
	t.check(repaired == 2, "%d of 2 grants hold the new scope, without a restart", repaired)
	t.checkLogin(t.first)
	return nil
}

func (t *tour) intruders(ctx context.Context) error {
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
		"a forged log entry naming somebody's machine-to-machine app",
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
	t.check(writes == 0 && after.AppType == before.AppType, "%d writes to Auth0; the machine-to-machine app is as it was", writes)
	_, err := t.login(ids[0])
	t.check(err != nil, "nobody can log in through the stranger")
	return nil
}

func (t *tour) powerCut(ctx context.Context) error {
	t.act("The tenant is down, a client registers, and the power fails")
	t.tenant.Faults(managementDown)
	c, err := t.register("third")
	if err != nil {
		return err
	}
	if _, err := t.daemon.AwaitFunc(ctx, c.ID, func(child.Client) bool { return true }); err != nil {
		return err
	}
	t.say("The delivery is acknowledged; before anything can be done: kill -9 %d.", t.daemon.PID())
	t.daemon.Kill()
	_, err = t.login(c.ID)
	t.check(err != nil, "the client is of no use yet")
	t.tenant.Faults(nil)
	t.say("The tenant is back, and grantd starts again.")
	began := time.Now()
	if err := t.startDaemon(ctx); err != nil {
		return err
	}
	rec, err := t.ready(ctx, c.ID)
	if err != nil {
		return err
	}
	t.check(rec.Phase == "ready", "nothing was forgotten: ready %.1f s after the start", time.Since(began).Seconds())
	t.checkLogin(c.ID)
	t.check(len(t.tenant.Grants(c.ID)) == 1, "the client has exactly one grant")
	t.check(len(t.tenant.TokenRequests()) == 1, "Management API tokens for the whole tour, restart included: %d", len(t.tenant.TokenRequests()))
	return nil
}
