package explain

import (
	"cmp"
	"slices"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/policy"
)

// teller puts one story together.
type teller struct {
	f        Facts
	rec      dcr.Record // zero when the ledger has none
	eligible bool       // it may be touched
	verdict  policy.Verdict
	cond     Conditions
	causes   []Cause
	inForce  []brake // holds that are among the causes
}

// Tell tells the story that the facts make.
func Tell(f Facts) Story {
	t := &teller{f: f}
	if f.Record != nil {
		t.rec = *f.Record
	}
	t.judge()
	t.cond = t.conditions()
	s := Story{
		Schema: Schema, ClientID: display.Line(f.ID, maxURI), Phase: t.rec.Phase, Auth0: t.existence(),
		Identity: t.identity(), Conditions: t.cond, CheckedAt: dcr.Timestamp{Time: t.rec.LastCheckedAt},
		Holds: t.holds(), History: t.history(), Problems: t.problems(),
	}
	t.collect()
	s.Denials = t.denials()
	t.sort()
	s.Causes = t.causes
	s.Next = t.next()
	s.Summary = t.summary()
	return s
}

// judge asks the policy about the client as Auth0 has it, or takes what the
// ledger has.
func (t *teller) judge() {
	if c := t.f.Live.Client; c != nil {
		t.verdict = t.f.Policy.Decide(*c, t.f.OwnClientID)
		t.eligible = t.verdict.Eligible
		return
	}
	t.eligible = t.f.Record != nil && t.rec.Phase != dcr.Refused
	if t.rec.Phase == dcr.Refused {
		t.verdict = policy.Verdict{Reason: t.rec.Reason, Message: t.rec.Message}
	}
}

func (t *teller) existence() Existence {
	switch {
	case t.f.Live.Client != nil:
		return Exists
	case t.f.Live.Missing:
		return Missing
	default:
		return Unasked
	}
}

// identity is by Auth0 where it answered, else by the ledger.
func (t *teller) identity() Identity {
	i := Identity{
		Name: display.Line(t.rec.Name, maxShort), Registration: t.rec.Registration, SecurityMode: t.rec.SecurityMode,
		RegisteredAt: dcr.Timestamp{Time: t.rec.RegisteredAt}, FirstSeenAt: dcr.Timestamp{Time: t.rec.FirstSeenAt},
		FirstSeenFeed: t.rec.FirstSeenFeed, ReadyAt: dcr.Timestamp{Time: t.rec.ReadyAt},
		LastUsedAt: dcr.Timestamp{Time: t.rec.LastUsedAt}, LastDeniedAt: dcr.Timestamp{Time: t.rec.LastDeniedAt},
	}
	uris := t.rec.Callbacks
	if c := t.f.Live.Client; c != nil {
		i.Name, uris = display.Line(c.Name, maxShort), c.Callbacks
		if i.SecurityMode = ""; !c.FirstParty {
			i.SecurityMode = c.Mode()
		}
		if c.CIMD() {
			i.Registration = dcr.RegistrationCIMD
		}
	}
	if i.Registration == "" {
		i.Registration = dcr.RegistrationUnknown
	}
	i.Callbacks = t.callbacks(uris)
	return i
}

// maxCallbacks is how many callbacks are told.
const maxCallbacks = 10

func (t *teller) callbacks(uris []string) []Callback {
	known, err := policy.Parse(policy.Presets())
	out := []Callback{}
	for _, uri := range uris[:min(len(uris), maxCallbacks)] {
		c := Callback{URI: display.Line(uri, maxURI)}
		if err == nil {
			c.Product, _ = known.MatchURI(uri)
		}
		_, c.Allowed = t.f.Policy.MatchURI(uri)
		out = append(out, c)
	}
	return out
}

// holds are those in force that cover the client.
func (t *teller) holds() []Held {
	out := []Held{}
	for _, h := range t.f.Holds {
		if !h.Active(t.f.Now) || h.Scope != dcr.HoldAll && h.ClientID != "" && h.ClientID != t.f.ID {
			continue
		}
		out = append(out, Held{
			Scope: h.Scope, Field: h.Field, Reason: h.Reason,
			Since: dcr.Timestamp{Time: h.Since}, Until: dcr.Timestamp{Time: h.Until}, Release: h.ReleaseCommand(),
		})
	}
	return out
}

// toldHistory is how many journal entries are told.
const toldHistory = 5

func (t *teller) history() []Written {
	out := []Written{}
	for _, e := range t.f.Journal[:min(len(t.f.Journal), toldHistory)] {
		w := Written{
			Seq: e.Seq, At: dcr.Timestamp{Time: e.At}, Step: e.Step, Before: e.Before, After: e.After,
			Feed: e.Cause.Feed, Reverts: e.Reverts,
		}
		if w.Before == nil {
			w.Before = map[string]any{}
		}
		if w.After == nil {
			w.After = map[string]any{}
		}
		out = append(out, w)
	}
	return out
}

func (t *teller) problems() []Problem {
	out := []Problem{}
	all := slices.Clone(t.f.Live.Problems)
	if t.f.LogProblem.Reason != "" {
		all = append(all, t.f.LogProblem)
	}
	for _, p := range all {
		p.Message = display.Line(impersonal(display.Line(p.Message, 2*maxText)), maxText)
		out = append(out, p)
	}
	return out
}

// sort puts first what to see to first: what still holds, what needs a person,
// and then the order in which causes are looked for.
func (t *teller) sort() {
	if t.causes == nil {
		t.causes = []Cause{}
	}
	rank := func(c Cause) int {
		r := map[Who]int{Person: 0, Grantd: 1, Nobody: 2}[c.Who]
		if c.Over {
			r += 3
		}
		return r
	}
	slices.SortStableFunc(t.causes, func(a, b Cause) int { return cmp.Compare(rank(a), rank(b)) })
}

// maxEvidence is how much evidence a cause has.
const maxEvidence = 5

// add notes a cause, or more evidence of one that is known, and a fix with a
// command in place of one without.
func (t *teller) add(c Cause) {
	if known := t.cause(c.Code); known != nil {
		for _, e := range c.Evidence {
			if len(known.Evidence) < maxEvidence && !slices.Contains(known.Evidence, e) {
				known.Evidence = append(known.Evidence, e)
			}
		}
		if known.Command == "" && c.Command != "" && known.Who == c.Who {
			known.Fix, known.Command = c.Fix, c.Command
		}
		if known.Over && !c.Over { // it is again
			known.Over, known.Text, known.Fix, known.Command, known.Who = false, c.Text, c.Fix, c.Command, c.Who
		}
		return
	}
	if c.Evidence == nil {
		c.Evidence = []string{}
	}
	t.causes = append(t.causes, c)
}

// cause is the one with a code, nil when there is none.
func (t *teller) cause(code Code) *Cause {
	i := slices.IndexFunc(t.causes, func(c Cause) bool { return c.Code == code })
	if i < 0 {
		return nil
	}
	return &t.causes[i]
}
