package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/explain"
	"grantd/internal/http"
	"grantd/internal/plan"
	"grantd/internal/store"
)

const (
	// lookCalls is how many calls a look at a client may cost, and searchCalls
	// the search of the log: one more where Auth0 does not take the wider query.
	lookCalls, searchCalls = 4, 2
	// lookWithin, searchWithin and tenantWithin bound how long one waits for Auth0.
	lookWithin, searchWithin, tenantWithin = 20 * time.Second, 10 * time.Second, 20 * time.Second
)

// Explain implements http.Explainer.
func (e *Engine) Explain(ctx context.Context, id string) (explain.Story, error) {
	ctx, done := e.untilStop(ctx)
	defer done()
	if e.serving {
		e.unguard(ctx)
	} else {
		e.scopes.Refresh(ctx)
	}
	ctx, done = e.standBack(ctx, explainWaits)
	defer done()
	s := e.settings()
	f := explain.Facts{ID: id, Serving: e.serving, Desired: s.Desired, Policy: s.Policy, OwnClientID: s.OwnClientID}
	look := e.lookAt(ctx, &f)
	if err := e.recall(ctx, &f); err != nil {
		return explain.Story{}, failed(ctx, "explain", err)
	}
	look.rest()
	f.Live = look.live
	e.readDenials(ctx, &f)
	if f.Live.Client != nil || f.Live.Missing || forbidden(f.Live.Problems) { // else Auth0 does not answer
		f.Findings = e.tenantFindings(ctx)
	}
	if err := context.Cause(ctx); err != nil {
		return explain.Story{}, failed(ctx, "explain", err)
	}
	f.Now = time.Now()
	return explain.Tell(f), nil
}

// forbidden reports whether Auth0 answered that a scope is missing.
func forbidden(problems []explain.Problem) bool {
	return slices.ContainsFunc(problems, func(p explain.Problem) bool { return p.Reason == dcr.MissingScope })
}

// tenantFindings is what is wrong with the tenant as a whole. Where it cannot be
// told in time, the client's own story is told without.
func (e *Engine) tenantFindings(ctx context.Context) []doctor.Finding {
	ctx, cancel := context.WithTimeout(ctx, tenantWithin)
	defer cancel()
	r, err := e.examine(ctx, true)
	if err != nil {
		return nil
	}
	return r.Findings
}

// recall reads what the ledger has.
func (e *Engine) recall(ctx context.Context, f *explain.Facts) error {
	holds, err := HoldsInForce(ctx, e.ledger, time.Now())
	if err != nil {
		return err
	}
	f.Holds = holds
	if !dcr.ValidClientID(f.ID) {
		return nil
	}
	rec, err := e.ledger.Client(ctx, f.ID)
	switch {
	case err == nil:
		f.Record = &rec
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	f.Journal, _, err = e.ledger.Journal(ctx, store.JournalQuery{ClientID: f.ID, Limit: 10})
	return err
}

// look asks Auth0 about one client, as long as there are calls left and Auth0
// answers.
type look struct {
	ctx     context.Context
	tenant  *auth0.Client
	desired plan.Desired
	left    int
	live    explain.Live
}

// lookAt reads the client itself. Of a document it finds the client first, and
// the story is that client's then.
func (e *Engine) lookAt(ctx context.Context, f *explain.Facts) *look {
	l := &look{ctx: ctx, tenant: e.tenant, desired: f.Desired, left: lookCalls}
	l.ask("the client", func(ctx context.Context) (err error) {
		var c dcr.Client
		if dcr.ValidClientID(f.ID) {
			c, err = l.tenant.Client(ctx, f.ID)
		} else {
			c, err = l.tenant.ClientByDocument(ctx, f.ID)
		}
		if errors.Is(err, auth0.ErrNotFound) {
			l.live.Missing = true
			return nil
		}
		if err == nil {
			l.live.Client, f.ID = &c, c.ID
		}
		return err
	})
	return l
}

// rest reads what the client needs: its grant, the desired connections, and the
// API where a call is left for it.
func (l *look) rest() {
	if l.live.Client == nil || l.live.Client.FirstParty {
		return
	}
	id := l.live.Client.ID
	l.ask("its grant", func(ctx context.Context) error {
		g, ok, err := l.tenant.UserGrant(ctx, id, l.desired.Audience)
		if l.live.Grant.Known = err == nil; err == nil && ok {
			l.live.Grant.Grant = &g
		}
		return err
	})
	l.connections(id)
	l.ask("the API", func(ctx context.Context) error {
		a, err := l.tenant.API(ctx, l.desired.Audience)
		switch {
		case err == nil:
			l.live.API = plan.API{Known: true, API: &a}
		case errors.Is(err, auth0.ErrNotFound):
			l.live.API = plan.API{Known: true}
		case failureOf(err) != dcr.MissingScope: // without it, its scopes are not checked
			return err
		}
		return nil
	})
}

// connections reads the desired connections, and of a permissive client which of
// them are enabled for it where that matters.
func (l *look) connections(id string) {
	var conns []plan.Connection
	apart := false
	for _, name := range l.desired.Connections {
		read := l.ask("the connection "+name, func(ctx context.Context) error {
			c, err := l.tenant.Connection(ctx, name)
			if errors.Is(err, auth0.ErrNotFound) {
				conns = append(conns, plan.Connection{Name: name})
				return nil
			}
			if err == nil {
				conns = append(conns, plan.Connection{Name: name, Connection: &c})
				apart = apart || !c.DomainLevel
			}
			return err
		})
		if !read {
			return // what is not known of all says nothing
		}
	}
	if apart && l.live.Client.Mode() == dcr.Permissive && l.desired.ConnectionLevel == plan.ClientLevel {
		l.ask("its connections", func(ctx context.Context) error {
			have, err := l.tenant.ClientConnections(ctx, id)
			if err != nil {
				return err
			}
			for i, c := range conns {
				if c.Connection == nil {
					continue
				}
				conns[i].Enabled = plan.No
				if slices.ContainsFunc(have, func(h dcr.Connection) bool { return h.ID == c.Connection.ID }) {
					conns[i].Enabled = plan.Yes
				}
			}
			return nil
		})
	}
	l.live.Connections = conns
}

// ask makes one call if one is left, and reports whether it was answered. After
// a failure that every call would meet with, nothing more is asked.
func (l *look) ask(what string, call func(context.Context) error) bool {
	if l.left <= 0 {
		return false
	}
	l.left--
	ctx, cancel := context.WithTimeout(l.ctx, lookWithin)
	defer cancel()
	err := call(ctx)
	if err == nil {
		return true
	}
	l.live.Problems = append(l.live.Problems, problemOf(what, err))
	switch failureOf(err) {
	case dcr.MissingScope, dcr.RejectedByAuth0, dcr.BadResponse:
	default:
		l.left = 0
	}
	return false
}

func problemOf(what string, err error) explain.Problem {
	reason := failureOf(err)
	if reason == "" {
		reason = dcr.InternalError
	}
	return explain.Problem{What: what, Reason: reason, Message: err.Error()}
}

// readDenials searches the log for what Auth0 refused the client.
func (e *Engine) readDenials(ctx context.Context, f *explain.Facts) {
	if len(f.Live.Problems) > 0 && f.Live.Client == nil && !f.Live.Missing {
		return // Auth0 does not answer
	}
	ids := []string{f.ID}
	if c := f.Live.Client; c != nil && explain.ValidDocument(c.ExternalClientID) {
		ids = append(ids, c.ExternalClientID) // an entry names either
	}
	ctx, cancel := context.WithTimeout(ctx, searchWithin)
	defer cancel()
	for try := range searchCalls {
		raw, err := e.tenant.SearchLogs(ctx, auth0.LogQuery{
			Q: explain.DenialQuery(ids, f.Desired.Audience, try == 0), PerPage: 2 * explain.MaxDenials, Sort: "date:-1",
		})
		if err == nil {
			f.Denials, err = explain.ReadDenials(raw, ids...)
		}
		if err == nil {
			f.LogRead, f.LogProblem = true, explain.Problem{}
			return
		}
		f.LogProblem = problemOf(explain.LogSearch, err)
		if f.LogProblem.Reason != dcr.RejectedByAuth0 {
			return
		}
	}
}

var _ http.Explainer = (*Engine)(nil)
