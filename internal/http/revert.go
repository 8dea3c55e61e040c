package http

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
)

// Reverter undoes what grantd wrote.
type Reverter interface {
	// Revert undoes the write of a journal entry if nobody changed it since, and
	// holds what it is about. With dryRun it only says what it would do.
	Revert(ctx context.Context, seq uint64, dryRun bool) (Reverted, error)
}

// Reverted is a write that was undone, or would be.
type Reverted struct {
	Schema   int            `json:"schema"`
	Seq      uint64         `json:"seq"` // the journal entry that is undone
	DryRun   bool           `json:"dry_run"`
	ClientID string         `json:"client_id"`
	Step     dcr.StepKind   `json:"step"`
	Before   map[string]any `json:"before"` // as the entry left it
	After    map[string]any `json:"after"`  // as it is again
	Notes    []string       `json:"notes"`
	Hold     Hold           `json:"hold"`    // that keeps it undone
	Release  string         `json:"release"` // the command that ends the hold
}

// RevertedView shows what undoing an entry came to.
func RevertedView(e dcr.JournalEntry, r reconcile.Reverted, h dcr.Hold, dryRun bool) Reverted {
	v := Reverted{
		Schema: schema, Seq: e.Seq, DryRun: dryRun, ClientID: e.ClientID, Step: e.Step,
		Before: r.Change.Before, After: r.Change.After, Notes: r.Notes, Hold: HoldView(h), Release: h.ReleaseCommand(),
	}
	if v.Before == nil {
		v.Before = map[string]any{}
	}
	if v.After == nil {
		v.After = map[string]any{}
	}
	if v.Notes == nil {
		v.Notes = []string{}
	}
	return v
}

func (c commands) revert(e echo.Context) error {
	seq, err := strconv.ParseUint(e.QueryParam("seq"), 10, 64)
	if err != nil || seq == 0 {
		return badRequest("seq is the number of a journal entry.")
	}
	dryRun, err := strconv.ParseBool(e.QueryParam("dry_run"))
	if err != nil && e.QueryParam("dry_run") != "" {
		return badRequest("dry_run is true or false.")
	}
	return c.stream(e, func(ctx context.Context, _ func(Progress)) (Message, error) {
		r, err := c.Revert(ctx, seq, dryRun)
		return Message{Reverted: &r}, err
	})
}
