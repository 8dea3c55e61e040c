package page

import (
	"context"
	"io"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// pageTime is how long a page may be made for. What is left of it when all else
// is known is the search's.
const pageTime = 170 * time.Millisecond

// Query is what of the front page the visitor asks for.
type Query struct {
	Phase dcr.Phase // of the list's clients; empty: every phase
	Text  string    // that they have; empty: anything
	After string    // the cursor of the page of the list before
}

// status is the front page.
type status struct {
	Health    healthView
	Attention attention
	Phases    []phaseTile
	Feeds     []feedRow
	Budget    budget
	Capacity  capacity
	Times     times
	Clients   clientList
}

// phaseTile is how many clients are in a phase.
type phaseTile struct {
	Phase, Label, Meaning, Count, Link string
	None                               bool
	Shown                              bool // the list is of these
}

// Status writes the front page. It fails with store.ErrCursor where the cursor
// is none, or because the ledger cannot be read.
func (p *Page) Status(ctx context.Context, w io.Writer, q Query) error {
	s, err := p.status(ctx, q)
	if err != nil {
		return err
	}
	return p.render(w, s.Health.Word+" · grantd", statusView(s))
}

func (p *Page) status(ctx context.Context, q Query) (status, error) {
	began := time.Now()
	now, report, checks := p.o.Now(), p.o.Health.Report(ctx), p.o.Health.Checks(ctx)
	holds, err := p.o.Holds(ctx)
	if err != nil {
		return status{}, err
	}
	// What the times are of is the newest clients, whatever the list shows.
	recent, err := p.o.Ledger.Newest(ctx, store.Search{Limit: timesAmong})
	if err != nil {
		return status{}, err
	}
	s := status{
		Health: p.health(report, checks, now), Phases: phaseTiles(report.Clients, q.Phase), Feeds: feedRows(report, now),
		Budget: budgetOf(report.ManagementAPI.RateLimit, p.o.Waiting(), now), Times: timesOf(recent.Clients),
	}
	has, known := p.o.Capacity()
	s.Capacity = capacityOf(has, known)
	if s.Attention, err = p.attention(ctx, report, s.Health.Reasons, holds, s.Capacity, now); err != nil {
		return status{}, err
	}
	for i := range s.Health.Reasons {
		s.Health.Reasons[i].Below = s.Attention.place(s.Health.Reasons[i].Code)
	}
	s.Clients, err = p.clients(ctx, q, now, pageTime-time.Since(began))
	return s, err
}
