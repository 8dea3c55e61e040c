package page

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/health"
	"grantd/internal/store"
)

const (
	// maxBlocked is how many blocked clients are grouped by their reasons.
	maxBlocked = 500
	// maxExamples is how many clients or holds an item names.
	maxExamples = 5
)

// attention is what needs a person.
type attention struct {
	Items []item
	// Empty is said where there are none.
	Empty string
	Good  bool // nothing is wrong
}

// place is where in the page it is told what to do about a reason.
func (a attention) place(code string) string {
	if slices.ContainsFunc(a.Items, func(i item) bool { return i.ID == needPath(code) }) {
		return needPath(code)
	}
	return "attention"
}

// item is one thing that needs a person.
type item struct {
	ID       string // within the page, where something leads to it
	Icon     string
	Title    dcr.Text
	Code     string
	Detail   dcr.Text
	Message  string // of one of the clients
	Fix      dcr.Text
	Examples []example
	More     link
	Command  string
}

// example is a client, or a hold, that the item is about.
type example struct {
	link
	Note  string
	Until moment
}

// link is text that may lead somewhere.
type link struct{ Href, Text string }

func (p *Page) attention(
	ctx context.Context, r health.Report, failing []reasonView, holds []dcr.Hold, c capacity, now time.Time,
) (attention, error) {
	byReason := map[dcr.Reason][]dcr.Hold{}
	for _, h := range holds {
		byReason[h.Reason] = append(byReason[h.Reason], h)
	}
	var items []item
	for _, reason := range failing {
		switch code := dcr.Reason(reason.Code); {
		case code == dcr.Starting: // which needs nobody
		case code == dcr.ClientsBlocked, code == dcr.Held, len(byReason[code]) > 0: // told of below, with names
		default:
			items = append(items, failingItem(reason))
		}
	}
	blocked, err := p.blockedItems(ctx, r.Clients.Blocked, byReason)
	if err != nil {
		return attention{}, err
	}
	items = append(append(items, blocked...), holdItems(byReason, now)...)
	for _, row := range c.Rows {
		if row.Scarce {
			items = append(items, item{
				Icon: "warn", Title: dcr.Text("The tenant is nearly full of " + row.Kind), Code: string(dcr.LimitReached),
				Detail: dcr.Text(row.Sentence + " At the limit no client can register."), Fix: dcr.LimitReached.Info().Fix,
			})
		}
	}
	a := attention{Items: items, Good: r.Status == health.StatusOK, Empty: "Nothing needs you."}
	if !a.Good {
		a.Empty = "Nothing needs you so far."
	}
	return a, nil
}

// failingItem tells of a failing check: its title is what that means.
func failingItem(r reasonView) item {
	what, more, _ := strings.Cut(string(r.Message), ". ")
	return item{
		ID: needPath(r.Code), Icon: "warn", Title: dcr.Text(strings.TrimSuffix(what, ".")), Code: r.Code, Detail: dcr.Text(more), Fix: r.Fix,
	}
}

// needPath is the id of what needs a person for a reason.
func needPath(code string) string { return "need-" + code }

// blockedItems are the blocked clients by their reasons, the most first. Those
// that a hold keeps back are told of with the hold.
func (p *Page) blockedItems(ctx context.Context, all int, holds map[dcr.Reason][]dcr.Hold) ([]item, error) {
	if all == 0 {
		return nil, nil
	}
	blocked, next, err := p.o.Ledger.Clients(ctx, store.Query{Phase: dcr.Blocked, Limit: maxBlocked})
	if err != nil {
		return nil, err
	}
	groups := map[dcr.Reason][]dcr.Record{}
	for _, r := range blocked {
		if len(holds[r.Reason]) == 0 {
			groups[r.Reason] = append(groups[r.Reason], r)
		}
	}
	var items []item
	for _, reason := range slices.SortedFunc(maps.Keys(groups), func(a, b dcr.Reason) int {
		return cmp.Or(len(groups[b])-len(groups[a]), cmp.Compare(a, b))
	}) {
		items = append(items, blockedItem(reason, groups[reason], next != ""))
	}
	return items, nil
}

func blockedItem(reason dcr.Reason, group []dcr.Record, more bool) item {
	info := reason.Info()
	n := count(len(group), "client is blocked", "clients are blocked")
	if more {
		n = "At least " + n
	}
	it := item{
		Icon: "blocked", Title: dcr.Text(n), Code: string(reason), Detail: info.Meaning, Fix: adviceOn(reason, group[0].Fix),
		Message: display.Line(group[0].Message, maxText),
	}
	if slices.ContainsFunc(group, func(r dcr.Record) bool { return r.Fix != group[0].Fix }) {
		it.Fix = info.Fix
	}
	if it.Message != "" && slices.ContainsFunc(group, func(r dcr.Record) bool { return r.Message != group[0].Message }) {
		it.Message = "One of them: " + it.Message
	}
	for _, r := range group[:min(len(group), maxExamples)] {
		it.Examples = append(it.Examples, example{link: link{clientPath(r.ClientID), nameOf(r)}})
	}
	if len(group) > maxExamples {
		it.More = link{"/?" + url.Values{"phase": {string(dcr.Blocked)}, "q": {string(reason)}}.Encode() + "#clients", "all of them"}
	}
	return it
}

// holdItems are the holds by their reasons.
func holdItems(holds map[dcr.Reason][]dcr.Hold, now time.Time) []item {
	var items []item
	for _, reason := range []dcr.Reason{dcr.Fighting, dcr.RegistrationStorm, dcr.Held, dcr.Reverted, dcr.SwitchedOff} {
		group := holds[reason]
		if len(group) == 0 {
			continue
		}
		info := reason.Info()
		it := item{
			ID: needPath(string(reason)), Icon: "hold", Title: dcr.Text(holdTitle(reason, len(group))), Code: string(reason),
			Detail: info.Meaning, Fix: info.Fix,
		}
		for _, h := range group[:min(len(group), maxExamples)] {
			it.Examples = append(it.Examples, holdExample(h, now))
		}
		if len(group) > maxExamples {
			it.Command = "grantd hold list"
		}
		items = append(items, it)
	}
	return items
}

func holdTitle(reason dcr.Reason, n int) string {
	switch reason {
	case dcr.Fighting:
		return count(n, "field is fought over", "fields are fought over")
	case dcr.RegistrationStorm:
		return count(n, "client is held in a registration storm", "clients are held in a registration storm")
	case dcr.Reverted:
		return count(n, "change was undone and is kept undone", "changes were undone and are kept undone")
	case dcr.SwitchedOff:
		return count(n, "client is switched off by its metadata", "clients are switched off by their metadata")
	default:
		return count(n, "hold keeps grantd from writing", "holds keep grantd from writing")
	}
}

// holdExample says what a hold covers and until when.
func holdExample(h dcr.Hold, now time.Time) example {
	e := example{link: link{Text: "Every client"}, Until: at(h.Until, now)}
	if h.ClientID != "" {
		e.link = link{clientPath(h.ClientID), display.Line(h.ClientID, maxName)}
	}
	if h.Field != "" {
		e.Note = fmt.Sprintf("the step %s alone", display.Line(string(h.Field), maxName))
	}
	return e
}
