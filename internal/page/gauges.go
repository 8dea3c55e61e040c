package page

import (
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/health"
)

func phaseTiles(c health.Clients, shown dcr.Phase) []phaseTile {
	counts := map[dcr.Phase]int{
		dcr.Ready: c.Ready, dcr.Pending: c.Pending, dcr.Blocked: c.Blocked, dcr.Refused: c.Refused, dcr.Gone: c.Gone,
	}
	var tiles []phaseTile
	for _, p := range dcr.Phases() {
		tiles = append(tiles, phaseTile{
			Phase: string(p), Label: title(string(p)), Meaning: phaseMeaning(p), Count: number(counts[p]), None: counts[p] == 0,
			Shown: p == shown,
			Link:  "/?phase=" + string(p) + "#clients",
		})
	}
	return tiles
}

// feedRow is when a feed last did its work.
type feedRow struct {
	Feed, What        string
	Event, Success    moment
	NoEvents          bool   // of a feed that brings none
	SuccessWord, Note string // what a success of it is, and how much it ever brought
}

func feedRows(r health.Report, now time.Time) []feedRow {
	rows := []feedRow{
		{
			Feed: "Webhook", What: "Auth0's log stream", SuccessWord: "Delivery",
			Event: at(r.Webhook.LastEventAt.Time, now), Success: at(r.Webhook.LastDeliveryAt.Time, now),
		},
		{
			Feed: "Poll", What: "reads the tenant log", SuccessWord: "Success",
			Event: at(r.Poll.LastEventAt.Time, now), Success: at(r.Poll.LastSuccessAt.Time, now),
		},
		{
			Feed: "Sweep", What: "compares the whole tenant", SuccessWord: "Success", NoEvents: true,
			Success: at(r.Sweep.LastSuccessAt.Time, now),
		},
	}
	if n := r.Webhook.Events; n > 0 {
		rows[0].Note = count(int(min(n, 1<<53)), "entry ever", "entries ever")
	}
	return rows
}

// budget is how many Management API calls may be made now.
type budget struct {
	Known              bool
	Remaining, Limit   string
	Percent            int
	Low                bool
	Reset              moment
	Waiting            string
	Urgent, Background int
}

func budgetOf(l *health.RateLimit, waiting map[dcr.Class]int, now time.Time) budget {
	b := budget{Urgent: waiting[dcr.Urgent], Background: waiting[dcr.Background]}
	switch {
	case b.Urgent+b.Background == 0:
		b.Waiting = "No call waits."
	case b.Background == 0:
		b.Waiting = count(b.Urgent, "urgent call waits.", "urgent calls wait.")
	case b.Urgent == 0:
		b.Waiting = count(b.Background, "background call waits.", "background calls wait.")
	default:
		b.Waiting = number(b.Urgent) + " urgent and " + number(b.Background) + " background calls wait."
	}
	if l == nil {
		return b
	}
	b.Known, b.Remaining, b.Limit, b.Percent = true, number(l.Remaining), number(l.Limit), percent(l.Remaining, l.Limit)
	b.Low = 5*l.Remaining < l.Limit
	if l.ResetAt.After(now) {
		b.Reset = at(l.ResetAt.Time, now)
	}
	return b
}

// capacity is how full the tenant is.
type capacity struct {
	Known bool
	Plan  string
	Rows  []capacityRow
}

// capacityRow is how many of a kind there are and may be.
type capacityRow struct {
	Kind, Title, Sentence string
	Percent               int
	Scarce                bool
}

func capacityOf(c dcr.Capacity, known bool) capacity {
	if !known {
		return capacity{}
	}
	v := capacity{Known: true, Plan: display.Line(c.Limits.Plan, maxName)}
	if c.Limits.Guessed {
		v.Plan += " (guessed by what the tenant shows)"
	}
	for _, kind := range []struct {
		name      string
		has, most int
	}{{"applications", c.Applications, c.Limits.Applications}, {"client grants", c.Grants, c.Limits.Grants}} {
		left := "none left"
		if n := kind.most - kind.has; n > 0 {
			left = number(n) + " left"
		}
		v.Rows = append(v.Rows, capacityRow{
			Kind: kind.name, Title: title(kind.name), Sentence: number(kind.has) + " of " + number(kind.most) + ", " + left + ".",
			Percent: percent(kind.has, kind.most), Scarce: dcr.Scarce(kind.has, kind.most),
		})
	}
	return v
}
