package page

import (
	"context"
	"net/url"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/store"
)

// listed is how many clients are on a page of the list.
const listed = 50

// clientList is a page of clients, newest first.
type clientList struct {
	Query   Query
	Phases  []phaseOption
	Rows    []clientRow
	Next    string // the address of the page that follows
	First   string // of the first page, where this is another
	All     string // of the list of all clients, where this is another
	Note    string // how far a search looked
	Empty   string // said where there are none
	Caption string
}

type phaseOption struct {
	Value, Label string
	Selected     bool
}

// clientRow is a client in the list.
type clientRow struct {
	ID, Name, Path string
	Phase          string
	Reason         string
	FirstSeen      moment
	LastUsed       moment
	TimeToReady    string
}

func (p *Page) clients(ctx context.Context, q Query, now time.Time, within time.Duration) (clientList, error) {
	found, err := p.o.Ledger.Newest(ctx, store.Search{
		Phase: q.Phase, Text: q.Text, After: q.After, Limit: listed, Within: max(within, time.Millisecond),
	})
	if err != nil {
		return clientList{}, err
	}
	l := clientList{Query: Query{Phase: q.Phase, Text: display.Line(q.Text, maxText), After: q.After}, Caption: caption(q)}
	l.Phases = []phaseOption{{"", "every phase", q.Phase == ""}}
	for _, phase := range dcr.Phases() {
		l.Phases = append(l.Phases, phaseOption{string(phase), string(phase), q.Phase == phase})
	}
	for _, r := range found.Clients {
		l.Rows = append(l.Rows, rowOf(r, now))
	}
	if found.Next != "" {
		l.Next = listPath(Query{q.Phase, q.Text, found.Next})
	}
	if q.After != "" {
		l.First = listPath(Query{q.Phase, q.Text, ""})
	}
	if q.Phase != "" || q.Text != "" {
		l.All = listPath(Query{})
	}
	if found.Cut {
		l.Note = "Searched " + count(found.Looked, "client", "clients") + " so far, newest first."
	}
	l.Empty = emptyList(q, found.Cut)
	return l, nil
}

// emptyList says why there are no clients in the list.
func emptyList(q Query, cut bool) string {
	switch {
	case cut:
		return "None among those searched so far."
	case q.Text != "" || q.Phase != "":
		return "No client is like that."
	case q.After != "":
		return "There are no further clients."
	default:
		return "No client has registered yet. The first one appears here by itself."
	}
}

func caption(q Query) string {
	text := "Clients"
	if q.Phase != "" {
		text = title(string(q.Phase)) + " clients"
	}
	if q.Text != "" {
		text += " with “" + display.Line(q.Text, maxName) + "”"
	}
	return text + ", newest first"
}

// listPath is the address of a page of the list.
func listPath(q Query) string {
	v := url.Values{}
	for name, value := range map[string]string{"phase": string(q.Phase), "q": q.Text, "after": q.After} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return "/#clients"
	}
	return "/?" + v.Encode() + "#clients"
}

func rowOf(r dcr.Record, now time.Time) clientRow {
	return clientRow{
		ID: r.ClientID, Name: nameOf(r), Path: clientPath(r.ClientID), Phase: string(r.Phase), Reason: words(string(r.Reason)),
		FirstSeen: at(r.FirstSeenAt, now), LastUsed: at(r.LastUsedAt, now), TimeToReady: timeToReady(r),
	}
}

// timeToReady is empty where nobody knows it.
func timeToReady(r dcr.Record) string {
	if r.ReadyAt.IsZero() || r.RegisteredAt.IsZero() {
		return ""
	}
	return exact(r.TimeToReady)
}

// nameOf is what a client calls itself.
func nameOf(r dcr.Record) string {
	if name := display.Line(r.Name, maxName); name != "" {
		return name
	}
	return "(no name)"
}

// clientPath is the address of a client's page. Its id is of letters, digits,
// "-" and "_".
func clientPath(id string) string { return "/clients/" + url.PathEscape(id) }
