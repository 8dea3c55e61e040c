package http

import (
	"context"
	"encoding/json"
	nethttp "net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

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

// Synced is what a sync found and did.
type Synced struct {
	Schema  int   `json:"schema"`
	TookMS  int64 `json:"took_ms"`
	Adopted int   `json:"adopted"` // clients whose grants are grantd's from now on
	reconcile.Sweep
	Pending int `json:"pending"`     // clients that are still tried when it ended
	Stuck   int `json:"now_blocked"` // clients that a person must look after when it ended
}

// PlanView shows a plan.
func PlanView(p reconcile.TenantPlan) Plan {
	return Plan{Schema: schema, TookMS: p.Took.Milliseconds(), TenantPlan: p}
}

// SyncedView shows what a sync did.
func SyncedView(s reconcile.Sweep, adopted int, took time.Duration, pending, blocked int) Synced {
	return Synced{Schema: schema, TookMS: took.Milliseconds(), Adopted: adopted, Sweep: s, Pending: pending, Stuck: blocked}
}

// Message is a line of a command's answer. Each has one member; all but the
// last tell of progress.
type Message struct {
	Progress *Progress `json:"progress,omitempty"`
	Plan     *Plan     `json:"plan,omitempty"`
	Synced   *Synced   `json:"synced,omitempty"`
	Problem  *Problem  `json:"problem,omitempty"`
}

// commands answers them.
type commands struct{ Commands }

func (c commands) plan(e echo.Context) error {
	return stream(e, func(ctx context.Context, progress func(Progress)) (Message, error) {
		p, err := c.Plan(ctx, progress)
		return Message{Plan: &p}, err
	})
}

func (c commands) sync(e echo.Context) error {
	adopt := e.QueryParam("adopt") == "true"
	return stream(e, func(ctx context.Context, progress func(Progress)) (Message, error) {
		s, err := c.Sync(ctx, adopt, progress)
		return Message{Synced: &s}, err
	})
}

// stream answers with a line for each message, as JSON lines. It takes as long
// as the command, and the command ends with the caller.
func stream(c echo.Context, run func(context.Context, func(Progress)) (Message, error)) error {
	w := c.Response()
	control := nethttp.NewResponseController(w.Writer)
	_ = control.SetReadDeadline(time.Time{})
	w.Header().Set(echo.HeaderContentType, "application/x-ndjson")
	w.WriteHeader(nethttp.StatusOK)
	var mu sync.Mutex // progress comes from other goroutines
	send := func(m Message) {
		mu.Lock()
		defer mu.Unlock()
		_ = control.SetWriteDeadline(time.Now().Add(eventWrite))
		// A caller that is gone ends the request's context, and so the command.
		_ = json.NewEncoder(w).Encode(m)
		_ = control.Flush()
	}
	m, err := run(c.Request().Context(), func(p Progress) { send(Message{Progress: &p}) })
	if err != nil {
		m = Message{Problem: &Problem{Code: codeFailed, Message: strings.TrimSuffix(err.Error(), ".") + "."}}
	}
	send(m)
	return nil
}
