package page

import (
	"context"
	"io"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/store"
)

// clientView is the page of one client.
type clientView struct {
	clientRow
	Meaning    string   // of its phase
	Code       string   // of its reason
	Reasons    dcr.Text // what that means
	Message    string   // what its record adds to that
	Fix        dcr.Text
	Conditions []conditionView
	Callbacks  []string
	Facts      []fact
	Plan       []changeView
	Holds      []holdView
	Journal    []entryView
	Newer      string // the address of the journal's first page, where this is another
	Older      string // of the page that follows
	Commands   []command
}

// conditionView is one of the three things a client needs.
type conditionView struct {
	Name, What, Word, Icon string
	Reason, Message        string
	Meaning                dcr.Text // of the reason, where there is no message
	Fix                    dcr.Text // what to do, where that is not said of the client
	Since                  moment
}

// fact is something to know of a client: a text or a time.
type fact struct {
	Name, Text string
	When       moment
}

type command struct{ What, Line string }

type holdView struct {
	Text, Code   string
	Meaning      dcr.Text
	Since, Until moment
}

// Client writes the page of a client; after is the cursor of its journal. It
// fails with store.ErrNotFound where the ledger has no such client.
func (p *Page) Client(ctx context.Context, w io.Writer, id, after string) error {
	r, err := p.o.Ledger.Client(ctx, id)
	if err != nil {
		return err
	}
	entries, next, err := p.o.Ledger.Journal(ctx, store.JournalQuery{ClientID: id, Limit: journalShown, After: after})
	if err != nil {
		return err
	}
	holds, err := p.o.Holds(ctx)
	if err != nil {
		return err
	}
	now := p.o.Now()
	v := clientView{
		clientRow: rowOf(r, now), Meaning: phaseMeaning(r.Phase),
		Code: string(r.Reason), Reasons: r.Reason.Info().Meaning, Message: display.Line(r.Message, maxText), Fix: adviceOn(r.Reason, r.Fix),
		Conditions: conditions(r, now), Callbacks: cleanAll(r.Callbacks, maxCallback), Facts: factsOf(r, now),
		Plan: changeViews(r.Plan), Holds: holdsOn(id, holds, now), Commands: commandsFor(r),
	}
	for _, e := range entries {
		v.Journal = append(v.Journal, entryOf(e, now))
	}
	if next != "" {
		v.Older = clientPath(id) + "?after=" + next + "#journal"
	}
	if after != "" {
		v.Newer = clientPath(id) + "#journal"
	}
	return p.render(w, v.Name+" · grantd", clientPageView(v))
}

func conditions(r dcr.Record, now time.Time) []conditionView {
	if !r.Checked() || r.Conditions == (dcr.Conditions{}) {
		return nil
	}
	var views []conditionView
	for _, c := range []struct {
		name, what string
		dcr.Condition
	}{
		{"Promoted", "application type, authentication method and grant types", r.Conditions.Promoted},
		{"Connected", "its users can log in through the connection", r.Conditions.Connected},
		{"Granted", "it may ask for the scopes of your API", r.Conditions.Granted},
	} {
		v := conditionView{
			Name: c.name, What: c.what, Word: "not yet", Icon: "no", Reason: string(c.Reason),
			Message: display.Line(c.Message, maxText), Since: at(c.Since, now),
		}
		if c.Status {
			v.Word, v.Icon = "yes", "yes"
		}
		switch {
		case c.Reason == r.Reason && c.Message == r.Message:
			v.Message = "" // said at the top
		case c.Message == "":
			v.Meaning = c.Reason.Info().Meaning
		}
		if fix := adviceOn(c.Reason, c.Fix); fix != adviceOn(r.Reason, r.Fix) { // which is said there
			v.Fix = fix
		}
		views = append(views, v)
	}
	return views
}

// adviceOn is what to do about a reason. What was found of a case may have words
// from outside in it.
func adviceOn(r dcr.Reason, found dcr.Text) dcr.Text {
	return dcr.Text(display.Line(string(r.Advice(found)), maxText))
}

func factsOf(r dcr.Record, now time.Time) []fact {
	took := timeToReady(r)
	if took != "" {
		took = "in " + took
	}
	attempts := ""
	if r.Attempts > 0 {
		attempts = count(r.Attempts, "failure in a row", "failures in a row")
		if r.LastError != "" {
			attempts += ", the last: " + string(r.LastError)
		}
	}
	grant := ""
	switch {
	case r.GrantID != "" && r.GrantMade:
		grant = display.Line(r.GrantID, maxName) + ", made by grantd"
	case r.GrantID != "":
		grant = display.Line(r.GrantID, maxName) + ", there before grantd"
	}
	var facts []fact
	for _, f := range []fact{
		{"Registration", registrationWord(r.Registration), moment{}},
		{"Security mode", display.Line(string(r.SecurityMode), maxName), moment{}},
		{"First seen", "by " + string(r.FirstSeenFeed), at(r.FirstSeenAt, now)},
		{"Registered", "", at(r.RegisteredAt, now)},
		{"Ready", took, at(r.ReadyAt, now)},
		{"Last checked", "", at(r.LastCheckedAt, now)},
		{"Last used", "", at(r.LastUsedAt, now)},
		{"Last denied", "", at(r.LastDeniedAt, now)},
		{"Next attempt", string(r.Class), at(r.NextAttemptAt, now)},
		{"Attempts", attempts, moment{}},
		{"Grant", grant, moment{}},
	} {
		if f.When.Known || f.Text != "" && f.Name != "Next attempt" && f.Name != "First seen" {
			facts = append(facts, f)
		}
	}
	return facts
}

func registrationWord(r dcr.Registration) string {
	switch r {
	case dcr.RegistrationDCR:
		return "by itself (Dynamic Client Registration)"
	case dcr.RegistrationCIMD:
		return "from a Client ID Metadata Document"
	default:
		return "was not seen"
	}
}

func holdsOn(id string, holds []dcr.Hold, now time.Time) []holdView {
	var views []holdView
	for _, h := range holds {
		if h.Scope != dcr.HoldAll && h.ClientID != id && h.ClientID != "" {
			continue
		}
		v := holdView{
			Text: "Nothing of this client is written", Code: string(h.Reason), Meaning: h.Reason.Info().Meaning,
			Since: at(h.Since, now), Until: at(h.Until, now),
		}
		switch {
		case h.Scope == dcr.HoldAll:
			v.Text = "Nothing of any client is written"
		case h.Field != "":
			v.Text = "The step " + display.Line(string(h.Field), maxName) + " is not made"
		}
		if len(views) < maxHolds {
			views = append(views, v)
		}
	}
	return views
}

// maxHolds is how many holds a client's page shows.
const maxHolds = 10

// commandsFor are what a person may want to run about the client.
func commandsFor(r dcr.Record) []command {
	id := dcr.Argument(r.ClientID)
	commands := []command{
		{"Why a user cannot log in, and what to do", "grantd explain " + id},
		{"Everything the ledger knows", "grantd clients show " + id},
		{"Look at it again now", "grantd clients resync " + id},
		{"What grantd changed", "grantd history " + id},
		{"Keep grantd from writing to it", "grantd hold add " + id},
		{"Let grantd go on", "grantd hold release " + id},
	}
	if r.Phase == dcr.Gone || r.Phase == dcr.Refused {
		commands = append(commands, command{"Remove its record", "grantd clients forget " + id})
	}
	return commands
}
