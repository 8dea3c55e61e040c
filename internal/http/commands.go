package http

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/explain"
	"grantd/internal/reconcile"
)

// Commands are what costs Management API calls or changes something. Only the
// owner of the control socket may give them. Each tells of its progress, from
// one goroutine at a time.
type Commands interface {
	// Plan finds out what a sweep would change in the tenant now.
	Plan(ctx context.Context, progress func(Progress)) (Plan, error)
	// Sync sweeps and waits until what was found is put right. Adopt first
	// gives grantd the grants that were there before it.
	Sync(ctx context.Context, adopt bool, progress func(Progress)) (Synced, error)
	Brakes
	Resyncer
	Doctor
	Explainer
	Reverter
}

// Progress of a command. First the tenant is listed, then what is due is put
// right.
type Progress struct {
	Listed int `json:"listed"` // clients so far
	Done   int `json:"done"`   // put right so far
	Due    int `json:"due"`    // to be put right; 0 while it lists
}

// Plan is what a sweep would change in the tenant now.
type Plan struct {
	Schema int   `json:"schema"`
	TookMS int64 `json:"took_ms"`
	reconcile.TenantPlan
}

// Synced is what a sync found and did. The numbers of Sweep are what it found;
// Clients, Pending and Left are how the ledger stood when it ended, of all its
// clients and not only of those that were listed.
type Synced struct {
	Schema  int   `json:"schema"`
	TookMS  int64 `json:"took_ms"`
	Adopted int   `json:"adopted"` // clients whose grants are grantd's from now on
	reconcile.Sweep
	Clients map[dcr.Phase]int `json:"clients"` // by phase
	// Pending are clients that failed for now, and are tried again by the
	// daemon. Not among them: those that wait for a person to end a dry run or
	// to mend a scope source, and those that registered while the sync ran.
	Pending int    `json:"pending"`
	Left    []Left `json:"left"` // what is not as desired, and why; empty when all is
}

// Left are the clients that a sync left not as desired for one reason: blocked,
// or pending.
type Left struct {
	Phase     dcr.Phase  `json:"phase"`
	Reason    dcr.Reason `json:"reason"`
	Message   string     `json:"message"` // of the first one
	Clients   int        `json:"clients"` // their number
	ClientIDs []string   `json:"client_ids"`
}

// leftIDs is how many clients a Left names. There are lists of clients by phase
// for the others.
const leftIDs = 10

// AddLeft adds a client to those of its phase and reason.
func AddLeft(left []Left, r dcr.Record) []Left {
	i := slices.IndexFunc(left, func(l Left) bool { return l.Phase == r.Phase && l.Reason == r.Reason })
	if i < 0 {
		i = len(left)
		left = append(left, Left{Phase: r.Phase, Reason: r.Reason, Message: r.Reason.Told(r.Message, r.Fix), ClientIDs: []string{}})
	}
	if left[i].Clients++; left[i].Clients <= leftIDs {
		left[i].ClientIDs = append(left[i].ClientIDs, r.ClientID)
	}
	return left
}

// PlanView shows a plan.
func PlanView(p reconcile.TenantPlan) Plan {
	return Plan{Schema: schema, TookMS: p.Took.Milliseconds(), TenantPlan: p}
}

// SyncedView shows what a sync did: what it found, and how the ledger stands.
func SyncedView(s reconcile.Sweep, adopted int, took time.Duration, clients map[dcr.Phase]int, left []Left) Synced {
	v := Synced{Schema: schema, TookMS: took.Milliseconds(), Adopted: adopted, Sweep: s, Clients: clients, Left: left}
	for _, l := range left {
		if l.Phase == dcr.Pending && l.Reason != dcr.DryRun && l.Reason != dcr.ScopesUnknown {
			v.Pending += l.Clients
		}
	}
	if v.Left == nil {
		v.Left = []Left{}
	}
	return v
}

// Message is a line of a command's answer. Each has one member; all but the
// last tell of progress.
type Message struct {
	Progress    *Progress      `json:"progress,omitempty"`
	Plan        *Plan          `json:"plan,omitempty"`
	Synced      *Synced        `json:"synced,omitempty"`
	Resynced    *Resynced      `json:"resynced,omitempty"`
	ResyncedAll *ResyncedAll   `json:"resynced_all,omitempty"`
	Reverted    *Reverted      `json:"reverted,omitempty"`
	Problem     *Problem       `json:"problem,omitempty"`
	Doctor      *doctor.Report `json:"doctor,omitempty"`
	Explained   *explain.Story `json:"explained,omitempty"`
}

// commands answers them.
type commands struct {
	Commands
	log       *slog.Logger
	heartbeat time.Duration // how often a quiet answer shows that the daemon lives
}

func (c commands) plan(e echo.Context) error {
	return c.stream(e, func(ctx context.Context, progress func(Progress)) (Message, error) {
		p, err := c.Plan(ctx, progress)
		return Message{Plan: &p}, err
	})
}

func (c commands) sync(e echo.Context) error {
	adopt := false
	switch e.QueryParam("adopt") {
	case "", "false":
	case "true":
		adopt = true
	default:
		return badRequest("adopt is true or false.")
	}
	return c.stream(e, func(ctx context.Context, progress func(Progress)) (Message, error) {
		s, err := c.Sync(ctx, adopt, progress)
		return Message{Synced: &s}, err
	})
}

// stream answers with a line for each message, as JSON lines, and an empty one
// where there would be none for long. It takes as long as the command, and the
// command ends with the caller.
func (c commands) stream(e echo.Context, run func(context.Context, func(Progress)) (Message, error)) error {
	w := e.Response()
	control := nethttp.NewResponseController(w.Writer)
	_ = control.SetReadDeadline(time.Time{})
	w.Header().Set(echo.HeaderContentType, "application/x-ndjson")
	w.WriteHeader(nethttp.StatusOK)
	var mu sync.Mutex // progress may come from another goroutine
	write := func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		_ = control.SetWriteDeadline(time.Now().Add(eventWrite))
		// A caller that is gone, or does not read, ends the request's context,
		// and so the command.
		_, _ = w.Write(line)
		_ = control.Flush()
	}
	send := func(m Message) {
		line, _ := json.Marshal(m) // it can be encoded, all of it
		write(append(line, '\n'))
	}
	defer c.beat(write)()
	m, err := c.contained(e, func() (Message, error) {
		return run(e.Request().Context(), func(p Progress) { send(Message{Progress: &p}) })
	})
	if err != nil {
		p := Problem{codeFailed, strings.TrimSuffix(err.Error(), ".") + "."}
		if known, ok := errors.AsType[*problem](err); ok {
			p = known.Problem
		}
		m = Message{Problem: &p}
	}
	send(m)
	return nil
}

// beat writes an empty line now and then, until it is ended.
func (c commands) beat(write func([]byte)) (end func()) {
	write(nil) // the answer's head
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(c.heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				write([]byte("\n"))
			}
		}
	})
	return func() { close(done); beating.Wait() }
}

// contained turns a panic into a problem: the answer has begun, so that nobody
// else could say so any more.
func (c commands) contained(e echo.Context, run func() (Message, error)) (m Message, err error) {
	err = recovered(func(echo.Context) (err error) {
		m, err = run()
		return err
	})(e)
	if _, ok := errors.AsType[*panicError](err); ok {
		c.log.Error("carry out command", "path", e.Path(), "error", err)
		err = problemOf(err)
	}
	return m, err
}
