package daemon

import (
	"context"
	nethttp "net/http"
	"sync/atomic"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/health"
	chat "grantd/internal/notify"
	"grantd/internal/reconcile"
)

// newNotifier makes what tells people, at the address that is configured when it
// has something to tell. Only a daemon runs it.
func (e *Engine) newNotifier(t nethttp.RoundTripper) *chat.Notifier {
	return chat.New(chat.Options{
		Transport: t,
		URL:       func() string { return e.config.Load().NotifyURL.Reveal() },
		From:      "grantd, " + e.config.Load().Domain,
		Logger:    e.log,
		OnResult: func(r chat.Result, n int) {
			e.metrics.Notified(string(r), n)
		},
	})
}

// tellSaved tells what an outcome changed. An unsettled one is due again, and
// its successor tells; that a client is ready for the first time it does not
// know any more.
func (e *Engine) tellSaved(was dcr.Record, o dcr.Outcome, settled bool) {
	if !was.Checked() && o.Record.Checked() {
		e.newcomers.Add(1)
	}
	if settled || was.ReadyAt.IsZero() && !o.Record.ReadyAt.IsZero() {
		e.tellChanged(was, o.Record)
	}
	for _, h := range o.Holds {
		e.notifier.Tell(chat.HoldSet(h))
	}
}

func (e *Engine) tellChanged(was, is dcr.Record) {
	if ev, ok := chat.Changed(was, is); ok {
		e.notifier.Tell(ev)
	}
}

// alarmed counts an alarm. A fight is told with its hold, and a client that
// turned bad with its record.
func (e *Engine) alarmed(a reconcile.Alarm) {
	e.metrics.Alarm(string(a))
	if a == reconcile.AlarmStorm {
		e.notifier.Tell(chat.Storm())
	}
}

// tellHold tells of a hold that a command set.
func (e *Engine) tellHold(h dcr.Hold) {
	if h.Since.IsZero() {
		h.Since = time.Now()
	}
	e.notifier.Tell(chat.HoldSet(h))
}

// holdEnds knows of which holds that ran out was told: of those until then.
type holdEnds struct{ until time.Time }

// tell tells of holds that ran out since the last time.
func (e *holdEnds) tell(ctx context.Context, d *Daemon, now time.Time) {
	was := e.until
	e.until = now
	if !d.notifier.On() {
		return
	}
	holds, err := d.ledger.Holds(ctx)
	if err != nil {
		e.until = was // health tells of the ledger
		return
	}
	for _, h := range holds {
		if h.Active(was) && !h.Active(now) {
			d.notifier.Tell(chat.HoldRanOut(h))
		}
	}
}

// toldFact is where the ledger keeps what was told of things that are so for a
// while.
const toldFact = "told"

// troubles tells what is wrong with grantd itself, and when that is over.
type troubles struct {
	standing chat.Standing
	began    time.Time
}

func (d *Daemon) newTroubles(ctx context.Context) *troubles {
	t := &troubles{began: time.Now()}
	if snapshot, err := d.ledger.Fact(ctx, toldFact); err == nil {
		if err := t.standing.Restore(snapshot); err != nil {
			d.log.Warn("restore what was told", "error", err)
		}
	}
	return t
}

// tell tells what is new.
func (t *troubles) tell(ctx context.Context, d *Daemon, checks []health.Check, r health.Report) {
	if !d.notifier.On() || ctx.Err() != nil { // by which the ledger seems to fail
		return
	}
	now, news := time.Now(), false
	for _, c := range checks {
		if proven, told := t.proven(d, r)[c.Code]; !told || !c.Failing && !proven || !t.standing.Look(string(c.Code), c.Failing, now) {
			continue
		}
		news = true
		if c.Failing {
			d.notifier.Tell(chat.Trouble(c.Code))
		} else {
			d.notifier.Tell(chat.Over(c.Code))
		}
	}
	if c := d.capacity.Load(); c != nil {
		for _, s := range c.shares() {
			scarce := dcr.Scarce(s.has, s.limit)
			if t.standing.Look("scarce/"+s.kind, scarce, now) {
				news = true
				if scarce {
					d.notifier.Tell(chat.Scarce(s.kind, s.has, s.limit, c.Limits))
				}
			}
		}
	}
	if !news {
		return
	}
	if err := d.ledger.SetFact(ctx, toldFact, t.standing.Snapshot()); err != nil && ctx.Err() == nil {
		d.log.Warn("keep what was told", "error", err)
	}
}

// proven are the checks that are told of, and whether one that does not fail is
// known to be well: after a start, nothing has failed yet.
func (t *troubles) proven(d *Daemon, r health.Report) map[dcr.Reason]bool {
	return map[dcr.Reason]bool{
		dcr.TokenRefused:      r.ManagementAPI.OK,
		dcr.ManagementFailing: r.ManagementAPI.OK,
		dcr.LedgerUnavailable: true,
		dcr.LogStreamStopped:  d.streamsRead.Load(),
		dcr.WebhookSilent:     r.Webhook.LastDeliveryAt.After(t.began),
	}
}

// chatting is what an Engine has for telling people.
type chatting struct {
	notifier    *chat.Notifier
	newcomers   atomic.Int64 // clients looked at for the first time since the tenant was counted
	capacity    atomic.Pointer[capacity]
	counted     counting
	streamsRead atomic.Bool // in this process
}
