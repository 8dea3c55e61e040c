package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	api "grantd/internal/http"
	"grantd/internal/tenantsim"
)

// faults begin, end, and change; the token is revoked, the whole tenant down.
func (m *model) faults() string {
	switch m.rand.IntN(7) {
	case 6:
		d := m.latency()
		return fmt.Sprintf("a call takes %v", d)
	case 0, 1:
		m.weather.set(0)
		m.tenant.OutageBy(tenantsim.NoFault)
		return "none"
	case 2:
		m.tenant.RevokeTokens()
		return "the tokens are revoked"
	case 3:
		kind := choose(m, tenantsim.Reset, tenantsim.InternalError, tenantsim.RateLimited, tenantsim.Timeout)
		m.tenant.OutageBy(kind)
		return fmt.Sprintf("outage %d", kind)
	}
	share := choose(m, 0.05, 0.3, 0.6)
	m.weather.set(share)
	return fmt.Sprint(share)
}

// latency makes calls take time, so that others edit while grantd is at it.
func (m *model) latency() time.Duration {
	d := choose(m, 0, 20*time.Millisecond, 100*time.Millisecond, 2*time.Second)
	m.tenant.SetLatency(d)
	return d
}

// logTrouble makes entries late, doubled, shuffled, lost, and the stream stop.
func (m *model) logTrouble() string {
	switch m.rand.IntN(5) {
	case 0:
		m.stream.Hold()
		return "the stream is held"
	case 1:
		m.stream.Release()
		return "the stream is released"
	case 2:
		m.stream.Drop(1 + m.rand.IntN(3))
		return "deliveries are dropped"
	case 3:
		late := choose(m, 0, 10*time.Second, time.Minute, 10*time.Minute)
		m.tenant.SetSearchDelay(late, late)
		return fmt.Sprintf("search is %v late", late)
	}
	d := tenantsim.Delivery{
		Batch: choose(m, 0, 1, 3), Wait: choose(m, 0, 100*time.Millisecond, 20*time.Second), Copies: m.rand.IntN(3),
		Shuffle: m.rand.IntN(2) == 0, Gzip: m.rand.IntN(2) == 0, Lose: choose(m, 0, 0.1, 0.7),
	}
	m.stream.SetDelivery(d)
	return fmt.Sprintf("%+v", d)
}

func (m *model) permission() string {
	all := m.permissions()
	if m.rand.IntN(3) > 0 {
		i := m.rand.IntN(len(all))
		all = slices.Delete(all, i, i+1)
	}
	m.tenant.SetScopes(bubbleApp, all...)
	m.lacked = true
	if m.rand.IntN(2) == 0 {
		m.tenant.RevokeTokens()
	}
	return strings.Join(all, " ")
}

func (m *model) restart() string {
	m.stop()
	down := choose(m, 0, time.Second, 10*time.Minute)
	time.Sleep(down)
	m.startAgain()
	return fmt.Sprintf("down for %v", down)
}

func (m *model) startAgain() {
	m.restarts++
	m.start()
}

// reload changes the configuration while the daemon runs.
func (m *model) reload() string {
	r := m.rules
	switch m.rand.IntN(5) {
	case 0:
		r.allowed = choose(m, []string{"chatgpt"}, []string{"chatgpt", "claude"}, []string{"claude"}, []string{"any"}, entries()[2:], entries()[2:])
	case 1:
		if r.scopes = m.scopes(); r.scopes == nil {
			r.scopes = []string{"notes:read"}
		}
	case 2:
		r.additive = !r.additive
	case 3:
		r.domain = !r.domain
		r.connections = choose(m, []string{"google-oauth2"}, []string{"google-oauth2", "backup"})
	case 4:
		r.dryRun = !r.dryRun && m.rand.IntN(2) == 0
	}
	return m.configure(r)
}

func (m *model) configure(r rules) string {
	m.rules = r
	m.reloads++
	m.witness.configured(r)
	maps.Copy(m.environ, r.environ())
	if err := m.d.Reload(context.Background()); err != nil { //nolint:usetesting // it may outlive the part of the test
		m.Errorf("reload: %v", err)
	}
	m.witness.configured(r) // what was under way when it began has ended
	return fmt.Sprintf("%+v", r)
}

// command is a person at the control socket.
func (m *model) command() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) //nolint:usetesting // the same
	defer cancel()
	if adopt := m.rand.IntN(3) == 0; adopt {
		m.witness.adopted()
		_, err := m.d.Sync(ctx, true, func(api.Progress) {})
		return fmt.Sprintf("sync --adopt: %v", err)
	}
	before := m.witness.writesSoFar()
	_, err := m.d.Plan(ctx, func(api.Progress) {})
	return fmt.Sprintf("plan: %v (%d writes meanwhile)", err, m.witness.writesSoFar()-before)
}

// pass lets time pass, mostly little of it.
func (m *model) pass() string {
	var d time.Duration
	switch n := m.rand.IntN(400); {
	case n < 240:
		d = time.Duration(m.rand.Int64N(int64(300 * time.Millisecond)))
	case n < 360:
		d = time.Duration(m.rand.Int64N(int64(10 * time.Second)))
	case n < 392:
		d = time.Duration(m.rand.Int64N(int64(3 * time.Minute)))
	case n < 399:
		d = time.Duration(m.rand.Int64N(int64(20 * time.Minute)))
	default:
		d = time.Duration(m.rand.Int64N(int64(30 * time.Hour)))
		if m.rand.IntN(4) > 0 {
			d /= 10
		}
	}
	time.Sleep(d)
	return d.Round(time.Millisecond).String()
}

// calm ends everything that keeps things from settling.
func (m *model) calm() {
	m.weather.set(0)
	m.tenant.OutageBy(tenantsim.NoFault)
	m.tenant.SetScopes(bubbleApp, m.permissions()...)
	if m.lacked { // read:resource_servers is done without until the next token
		m.tenant.RevokeTokens()
		m.lacked = false
	}
	m.tenant.SetSearchDelay(0, 0)
	m.stream.SetDelivery(tenantsim.Delivery{})
	m.stream.Drop(0)
	m.stream.Release()
}
