package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
	"grantd/internal/plan"
)

// applied is what became of a part of the plan.
type applied struct {
	finding plan.Finding
	changes []dcr.Change
	err     error
}

// results are the applied parts and the grant that resulted, if any.
type results struct {
	promote, connect, grant applied
	made                    *dcr.Grant // the client's grant now, nil when unknown
	created                 bool       // whether this job created it
}

// apply makes the plan's parts true, at the same time.
func (j *job) apply(ctx context.Context, o plan.Observed, p plan.Plan) results {
	var res results
	var wg sync.WaitGroup
	start := func(a *applied, f func()) {
		wg.Go(func() {
			if err := contain(j.log, func() error { f(); return nil }); err != nil {
				*a = applied{err: err}
			}
		})
	}
	start(&res.connect, func() { res.connect = j.applyConnect(ctx, o, p.Connect) })
	start(&res.promote, func() { res.promote = j.applyPromote(ctx, o, p.Promote) })
	start(&res.grant, func() { res.grant, res.made, res.created = j.applyGrant(ctx, o, p.Grant) })
	wg.Wait()
	return res
}

// change is the journal's account of a step that was made.
func (j *job) change(s plan.Step, correlationID string, at time.Time) dcr.Change {
	c := s.Change()
	c.CorrelationID, c.At = correlationID, at
	return c
}

func (j *job) applyPromote(ctx context.Context, o plan.Observed, part plan.Part) applied {
	a := applied{finding: part.Result}
	for _, s := range part.Steps {
		if ctx, a.err = j.writing(ctx, s.Kind); a.err != nil {
			return a
		}
		id := j.r.correlationID()
		j.log.InfoContext(ctx, "[dcr] promoting client", j.about("change", s.After)...)
		got, err := j.r.tenant.PatchClient(ctx, id, o.Client.ID, s.Patch)
		if err != nil {
			a.err = err
			return a
		}
		failpoint.Hit("reconcile.promoted")
		a.changes = append(a.changes, j.change(s, id, j.r.now()))
		got.ExternalClientID = o.Client.ExternalClientID // the answer to a PATCH may leave it out
		o.Client = got
		if again := plan.Compute(j.s.Desired, o).Promote; len(again.Steps) > 0 {
			a.finding = plan.Finding{
				Reason: dcr.RejectedByAuth0, Message: "Auth0 took the change of the client and did not keep it",
				Fix: "See under Monitoring → Logs what else changes the application; grantd tries again by itself.",
			}
		}
	}
	return a
}

func (j *job) applyConnect(ctx context.Context, o plan.Observed, part plan.Part) applied {
	a := applied{finding: part.Result}
	var perClient []plan.Step
	for _, s := range part.Steps {
		if s.Kind == dcr.StepConnect {
			perClient = append(perClient, s)
			continue
		}
		c, err := j.promoteConnection(ctx, s)
		if err != nil {
			a.err = err
			return a
		}
		if c != nil {
			a.changes = append(a.changes, *c)
		}
	}
	if len(perClient) == 0 {
		return a
	}
	a.changes, a.err = j.enableConnections(ctx, o.Client.ID, perClient)
	switch {
	case a.err != nil:
	case j.swept: // many at once: the next sweep looks, with one list for all
		j.rec.Unread = true
	default:
		a.finding, a.err = j.readBack(ctx, o, part)
	}
	return a
}

// enableConnections returns the changes made and the first error.
func (j *job) enableConnections(ctx context.Context, clientID string, steps []plan.Step) (changes []dcr.Change, err error) {
	ids := make([]string, len(steps))
	for i, s := range steps {
		ids[i] = s.Connection.ID
	}
	may := func(ctx context.Context) error { return j.mayWrite(ctx, dcr.StepConnect) }
	for i, r := range j.r.enabler.enable(ctx, ids, clientID, j.rec.Class, j.pass, may) {
		switch {
		case r.err == nil:
			changes = append(changes, j.change(steps[i], r.correlationID, r.at))
		case err == nil:
			err = r.err
		}
	}
	return changes, err
}

// promoteConnection promotes a connection to domain level, once for all the
// clients that wait for it: the facts are asked again first.
func (j *job) promoteConnection(ctx context.Context, s plan.Step) (*dcr.Change, error) {
	select {
	case j.r.promoting <- struct{}{}:
		defer func() { <-j.r.promoting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if j.r.facts.promoted(s.Connection.Name) {
		return nil, nil
	}
	ctx, err := j.writing(ctx, s.Kind)
	if err != nil {
		return nil, err
	}
	id := j.r.correlationID()
	ctx = auth0.WithCall(ctx, dcr.Urgent, j.rec.Source) // others wait for it who may be in more of a hurry
	if err := j.r.tenant.PromoteConnection(ctx, id, s.Connection.ID); err != nil {
		return nil, err
	}
	failpoint.Hit("reconcile.domain-level")
	j.r.facts.setPromoted(s.Connection)
	j.log.InfoContext(ctx, "[dcr] promoted connection to domain level", "connection", s.Connection.Name)
	c := j.change(s, id, j.r.now())
	return &c, nil
}

// readBack looks whether Auth0 kept the connections it just enabled: for
// third-party clients it documents domain-level ones only.
func (j *job) readBack(ctx context.Context, o plan.Observed, part plan.Part) (plan.Finding, error) {
	conns, err := j.readConnections(ctx, o.Connections)
	if errors.Is(err, errClientGone) {
		err = auth0.ErrNotFound
	}
	if err != nil {
		return plan.Finding{}, err
	}
	for _, c := range conns {
		if c.Connection != nil && !c.Connection.DomainLevel && c.Enabled == plan.No {
			return plan.NotDomainLevel(c.Name), nil
		}
	}
	return part.Result, nil
}

func (j *job) applyGrant(ctx context.Context, o plan.Observed, part plan.Part) (a applied, grant *dcr.Grant, created bool) {
	a, grant, created = j.makeGrant(ctx, o, part)
	if a.err == nil || o.Grant.Known && !j.earlier || !mayExist(a.err) {
		return a, grant, created
	}
	// It was created unseen, or as it was seen a while ago, and Auth0 would
	// not: perhaps there is one.
	var err error
	if o.Grant, err = j.grant(ctx); err != nil {
		return applied{finding: part.Result, err: err}, nil, false
	}
	if o.Grant.Grant == nil {
		return a, nil, false
	}
	return j.makeGrant(ctx, o, plan.ComputeGrant(j.s.Desired, o))
}

// mayExist reports whether a refused creation leaves open that the grant
// exists: a conflict says so, and for want of permission or room Auth0 may not
// have looked.
func mayExist(err error) bool {
	r := reasonOf(err)
	return errors.Is(err, auth0.ErrConflict) || r == dcr.MissingScope || r == dcr.LimitReached
}

func (j *job) makeGrant(ctx context.Context, o plan.Observed, part plan.Part) (a applied, grant *dcr.Grant, created bool) {
	a.finding, grant = part.Result, o.Grant.Grant
	for _, s := range part.Steps {
		if ctx, a.err = j.writing(ctx, s.Kind); a.err != nil {
			return a, grant, false
		}
		id := j.r.correlationID()
		before := j.r.now()
		var got dcr.Grant
		var err error
		msg := "[dcr] updated client grant"
		if s.Grant.ID == "" {
			msg, created = "[dcr] created client grant", true
			s.Grant.Scopes = s.Scopes
			got, err = j.r.tenant.CreateGrant(ctx, id, s.Grant)
		} else {
			got, err = j.r.tenant.SetGrantScopes(ctx, id, s.Grant, s.Scopes)
		}
		if err != nil {
			a.err = err
			return a, grant, false
		}
		if created {
			failpoint.Hit("reconcile.grant-created")
		} else {
			failpoint.Hit("reconcile.grant-updated")
		}
		at := j.r.now()
		j.log.InfoContext(ctx, msg, "audience", j.s.Desired.Audience, "scopes", s.Scopes, "took", at.Sub(before))
		made := j.change(s, id, at)
		if created { // by its id it can be undone
			made.After = maps.Clone(made.After)
			made.After["id"] = got.ID
		}
		a.changes, grant = append(a.changes, made), &got
		if s.Grant.ID == "" && j.r.grants.made(got.ID, o.Client.ID) {
			a.err = fmt.Errorf("somebody edited the grant as soon as it was there: %w", auth0.ErrNotFound)
		}
	}
	return a, grant, created
}
