package page

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// journalShown is how many entries a client's page shows.
const journalShown = 25

// entryView is a change that was made, and why.
type entryView struct {
	Seq         string
	At          moment
	Cause       string
	LogID       string
	Actor       string
	Correlation string
	Reverts     string
	changeView
}

// changeView is a write, made or planned.
type changeView struct {
	Step, Sentence string
	Fields         []fieldView
}

// fieldView is what became of a field. Lists are shown by what was added to and
// taken from them, and what stayed.
type fieldView struct {
	Name          string
	Before, After string
	List          bool
	Added, Taken  []string
	Kept          []string
}

func entryOf(e dcr.JournalEntry, now time.Time) entryView {
	v := entryView{
		Seq: strconv.FormatUint(e.Seq, 10), At: at(e.At, now), Cause: feedWord(e.Cause.Feed), LogID: display.Line(e.Cause.LogID, maxName),
		Correlation: display.Line(e.CorrelationID, maxName), changeView: changeOf(e.Change),
	}
	if a := e.Cause.Actor; a != nil {
		v.Actor = string(a.Kind) + " " + display.Line(a.ID, maxName)
	}
	if e.Reverts > 0 {
		v.Reverts = strconv.FormatUint(e.Reverts, 10)
	}
	return v
}

func changeViews(changes []dcr.Change) []changeView {
	views := make([]changeView, len(changes))
	for i, c := range changes {
		views[i] = changeOf(c)
	}
	return views
}

func changeOf(c dcr.Change) changeView {
	v := changeView{Step: string(c.Step), Sentence: stepWord(c.Step)}
	names := slices.Sorted(maps.Keys(c.After))
	for name := range c.Before {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		v.Fields = append(v.Fields, fieldOf(name, c.Before[name], c.After[name]))
	}
	return v
}

func fieldOf(name string, before, after any) fieldView {
	f := fieldView{Name: display.Line(name, maxName)}
	was, wasList := dcr.Texts(before)
	is, isList := dcr.Texts(after)
	if (wasList || before == nil) && (isList || after == nil) && (wasList || isList) {
		f.List = true
		for _, s := range is {
			if slices.Contains(was, s) {
				f.Kept = append(f.Kept, display.Line(s, maxName))
			} else {
				f.Added = append(f.Added, display.Line(s, maxName))
			}
		}
		for _, s := range was {
			if !slices.Contains(is, s) {
				f.Taken = append(f.Taken, display.Line(s, maxName))
			}
		}
		return f
	}
	f.Before, f.After = valueText(before), valueText(after)
	if before != nil && reflect.DeepEqual(before, after) {
		return fieldView{Name: f.Name, List: true, Kept: []string{f.After}}
	}
	return f
}

// valueText is a field's value; empty where there is none.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return display.Line(v, maxValue)
	default:
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return "(unreadable)"
		}
		return display.Line(strings.TrimSpace(b.String()), maxValue)
	}
}

func stepWord(s dcr.StepKind) string {
	switch s {
	case dcr.StepPromote:
		return "The client was promoted"
	case dcr.StepConnect:
		return "The connection was enabled for it"
	case dcr.StepDomainLevel:
		return "The connection was promoted to domain level"
	case dcr.StepGrant:
		return "The client grant was set"
	case dcr.StepRevoke:
		return "The client grant's scopes were taken away"
	case dcr.StepForget:
		return "The record was removed from the ledger"
	default:
		return title(display.Line(string(s), maxName))
	}
}

func feedWord(f dcr.Feed) string {
	switch f {
	case dcr.FeedWebhook:
		return "a log entry by the webhook"
	case dcr.FeedPoll:
		return "a log entry found by the poll"
	case dcr.FeedSweep:
		return "found by a sweep"
	case dcr.FeedConfig:
		return "a changed configuration"
	case dcr.FeedCommand:
		return "a person's command"
	default:
		return display.Line(string(f), maxName)
	}
}
