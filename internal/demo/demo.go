package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"grantd/internal/tenantsim"
)

// Options of the tour.
type Options struct {
	Exe   string // the grantd binary
	Out   io.Writer
	Color bool
	// Keep keeps tenant and daemon up after the tour, until ctx ends.
	Keep bool
	// Prepare, if set, is given the tenant before grantd starts. Tests break
	// it there, to see the tour notice.
	Prepare func(*tenantsim.Tenant)
}

// ErrFailed says that something did not hold.
var ErrFailed = errors.New("the demo failed: not everything it claims held")

// actTime bounds an act, and a start. Each takes about a second on an idle
// machine, and much longer on one that builds and tests at the same time.
const actTime = 2 * time.Minute

// tour is the demo under way.
type tour struct {
	*stage
	*world
	first string // the client of the first act
}

// Run gives the tour and returns what it found. The error is ErrFailed when
// something did not hold, that of ctx when it ended, and another when the tour
// could not begin. Nothing is left behind: neither process nor file.
func Run(ctx context.Context, o Options) (Report, error) {
	t := &tour{stage: newStage(o.Out, o.Color)}
	fmt.Fprintln(o.Out, t.paint(bold, "grantd demo: a simulated Auth0 tenant, a real grantd, no account needed"))
	t.say("Every Management API call takes %s. A user can log in only if Auth0's rules allow it.", ms(latency))
	w, err := newWorld(ctx, o)
	if err != nil {
		return Report{}, interrupted(ctx, err)
	}
	defer w.close()
	t.world = w
	for _, act := range []func(context.Context) error{
		t.registers, t.again, t.lost, t.tool, t.intruders, t.powerCut,
	} {
		err := t.play(ctx, act)
		if ctx.Err() != nil {
			return t.report, ctx.Err()
		}
		if err != nil {
			break
		}
	}
	report := t.end()
	if !report.OK {
		return report, ErrFailed
	}
	if o.Keep {
		t.stay()
		<-ctx.Done()
	}
	return report, nil
}

// interrupted is err, or why ctx ended if that is behind it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// play plays one act. When it cannot go on, that is a check that failed.
func (t *tour) play(ctx context.Context, act func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, actTime)
	defer cancel()
	t.mark = len(t.tenant.Calls())
	err := act(bounded)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.check(false, "%v", err)
	}
	t.sum(t.calls())
	if err != nil {
		t.aside("The end of grantd's log:\n%s", t.daemon.Tail(5))
	}
	return err
}

// stay says what can be looked at.
func (t *tour) stay() {
	fmt.Fprintf(t.out, `
Still up, until you press Ctrl-C. Look around:
  http://%s/ in a browser: the status page
  curl http://%s/health/auth0
  curl http://%s/api/v1/clients
  grantd clients list --env-file %s
Register a client of your own:
  curl %s/oidc/register -H 'Content-Type: application/json' \
    -d '{"client_name":"Mine","redirect_uris":["https://chatgpt.com/connector/oauth/mine"]}'
`, t.daemon.Admin, t.daemon.Public, t.daemon.Admin, t.envFile(), t.tenant.URL())
}
