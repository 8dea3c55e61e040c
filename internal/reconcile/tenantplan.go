package reconcile

import (
	"context"
	"maps"
	"slices"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/plan"
	"grantd/internal/store"
)

// PlanLedger is what a plan reads of the ledger.
type PlanLedger interface {
	// Records returns those of the ids that have a record.
	Records(ctx context.Context, ids []string) (map[string]dcr.Record, error)
	// Feeds know whether a sweep has ever ended.
	Feeds(ctx context.Context) (map[dcr.Feed]dcr.FeedStatus, error)
	// Journal returns a page of what grantd wrote, newest first.
	Journal(ctx context.Context, q store.JournalQuery) ([]dcr.JournalEntry, string, error)
}

// Planned is what there is to say of one client.
type Planned struct {
	ClientID string       `json:"client_id"`
	Name     string       `json:"name"`
	New      bool         `json:"new"`     // the ledger does not know it yet
	Changes  []dcr.Change `json:"changes"` // to be made in Auth0
	Remarks  []Remark     `json:"remarks"` // what there is to say of it once they are made
}

// Remark is why a client will not be quite as desired.
type Remark struct {
	Reason  dcr.Reason `json:"reason"`
	Message string     `json:"message"`
}

// LeftBehind is a grant that grantd made and that configuration no longer asks
// for: it is of another audience, or its client is refused by now. grantd
// deletes nothing by itself.
type LeftBehind struct {
	ClientID string     `json:"client_id"`
	GrantID  string     `json:"grant_id"`
	Audience string     `json:"audience"`
	Scopes   []string   `json:"scopes"`
	Reason   dcr.Reason `json:"reason"` // dcr.OtherAudience, or why its client is refused
}

// TenantPlan is what a sweep would do now.
type TenantPlan struct {
	Sweep
	DryRun     bool         `json:"dry_run"` // a sweep would only say so
	Clients    []Planned    `json:"clients"` // those with something to say
	LeftBehind []LeftBehind `json:"left_behind"`
}

// Drift reports whether there is anything to change in Auth0.
func (p TenantPlan) Drift() bool { return p.Due > 0 }

// Plan finds out what a sweep would change in the tenant now. It writes nothing,
// neither in Auth0 nor in the ledger, and costs the calls of a sweep.
func (r *Reconciler) Plan(ctx context.Context, l Lister, ledger PlanLedger, progress func(Sweep)) (TenantPlan, error) {
	ctx = auth0.WithCall(ctx, dcr.Background, "")
	p := TenantPlan{Clients: []Planned{}, LeftBehind: []LeftBehind{}}
	started := r.now()
	feeds, err := ledger.Feeds(ctx)
	if err != nil {
		return p, err
	}
	first := feeds[dcr.FeedSweep].LastSuccessAt.IsZero()
	v, err := r.newSurvey(ctx, l, r.settings.Load())
	if err != nil {
		return p, err
	}
	v.quiet, p.DryRun = true, v.s.Desired.DryRun
	for from, more := "", true; more; {
		found, page, err := v.page(ctx, from)
		if err != nil {
			return p, err
		}
		records, err := ledger.Records(ctx, idsOf(found))
		if err != nil {
			return p, err
		}
		for _, l := range found {
			p.add(v, records[l.client.ID], l, first)
		}
		p.Capped, from, more = page.Capped || v.partial, page.Next, page.Next != ""
		progress(p.Sweep)
	}
	left, err := r.leftBehind(ctx, l, ledger, v.s.Desired.Audience)
	if err != nil {
		return p, err
	}
	p.LeftBehind = append(p.LeftBehind, left...)
	p.Took = r.now().Sub(started)
	return p, nil
}

// add judges one client.
func (p *TenantPlan) add(v *survey, rec dcr.Record, l listed, first bool) {
	isNew := rec.ClientID == ""
	if isNew {
		rec = dcr.Record{ClientID: l.client.ID, Phase: dcr.Pending, Unadopted: first}
	}
	j := v.judge(rec, v.observed(rec, l))
	steps := j.plan.Steps()
	j.due = len(steps) > 0 // in a dry run too
	p.count(j, isNew)
	one := Planned{ClientID: l.client.ID, Name: l.client.Name, New: isNew, Changes: []dcr.Change{}, Remarks: []Remark{}}
	for _, s := range steps {
		one.Changes = append(one.Changes, s.Change())
	}
	if j.held {
		one.Remarks = []Remark{{j.record.Reason, j.record.Reason.Told(j.record.Message, j.record.Fix)}}
	} else if j.record.Phase != dcr.Refused {
		one.Remarks = remarks(j.plan)
	} else if g := l.grant.Grant; g != nil && j.record.GrantMade && j.record.GrantID == g.ID {
		p.LeftBehind = append(p.LeftBehind, LeftBehind{g.ClientID, g.ID, g.Audience, slices.Clone(g.Scopes), j.record.Reason})
	}
	if len(one.Changes) > 0 || len(one.Remarks) > 0 {
		p.Clients = append(p.Clients, one)
	}
}

// remarks are what a person should hear of a plan: why a condition will not
// hold, and how the grant will differ from the desired one. What the record
// says may have been true before somebody acted.
func remarks(p plan.Plan) []Remark {
	said := []Remark{}
	for _, f := range []plan.Finding{p.Promote.Result, p.Connect.Result, p.Grant.Result} {
		if f.Reason != "" && (!f.Status || f == p.Grant.Result) {
			said = append(said, Remark{f.Reason, f.Reason.Told(f.Message, f.Fix)})
		}
	}
	return said
}

// leftBehind lists the grants of other audiences that the journal says grantd
// made and that are still there: one list for each audience.
func (r *Reconciler) leftBehind(ctx context.Context, l Lister, ledger PlanLedger, audience string) ([]LeftBehind, error) {
	made := map[string]map[string]bool{} // client ids by audience
	for after, more := "", true; more; {
		entries, next, err := ledger.Journal(ctx, store.JournalQuery{Limit: 1000, After: after})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			other, ok := e.After["audience"].(string)
			if e.Step != dcr.StepGrant || len(e.Before) > 0 || !ok || other == audience {
				continue
			}
			if made[other] == nil {
				made[other] = map[string]bool{}
			}
			made[other][e.ClientID] = true
		}
		after, more = next, next != ""
	}
	left := []LeftBehind{}
	for _, other := range slices.Sorted(maps.Keys(made)) {
		for from, more := "", true; more; {
			page, err := l.UserGrants(ctx, other, from)
			if err != nil {
				return nil, err
			}
			for _, g := range page.Grants {
				if made[other][g.ClientID] {
					left = append(left, LeftBehind{g.ClientID, g.ID, other, slices.Clone(g.Scopes), dcr.OtherAudience})
				}
			}
			from, more = page.Next, page.Next != ""
		}
	}
	return left, nil
}
