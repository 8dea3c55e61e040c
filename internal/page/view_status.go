package page

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"grantd/internal/dcr"
)

func statusView(s status) g.Node {
	return h.Main(h.ID("main"), h.Class("status"), tabindex(),
		h.H1(h.Class("unseen"), g.Text("Status of grantd")),
		healthCard(s.Health), attentionCard(s.Attention), phaseTileList(s.Phases), feedsCard(s.Feeds),
		budgetCard(s.Budget), capacityCard(s.Capacity), timesCard(s.Times), clientsCard(s.Clients),
	)
}

func healthCard(v healthView) g.Node {
	return h.Section(h.ID("health"), h.Class("card health "+v.Status), h.Aria("labelledby", "h-health"), g.Attr("data-part"),
		h.Div(h.Class("verdict"), icon(v.Status), h.Div(h.H2(h.ID("h-health"), g.Text(v.Word)), h.P(g.Text(v.Sentence)))),
		g.If(v.DryRun, h.P(h.Class("note"), h.Strong(g.Text("Dry run.")),
			g.Text(" Nothing is written to Auth0; what would be done stands on each client’s page. Unset "),
			h.Code(g.Text("GRANTD_DRY_RUN")), g.Text(" to begin."))),
		g.If(len(v.Reasons) > 0 && v.Status != string(dcr.Starting), h.Ul(h.Class("reasons"), g.Map(v.Reasons, func(r reasonView) g.Node {
			return h.Li(h.A(h.Href("#"+r.Below), g.Text(r.Title)))
		}))),
		h.P(h.Class("muted small"), g.Text("Running for "), h.Span(g.Text(v.Up)), g.Text(", since "),
			h.Time(h.DateTime(v.Since.Machine), g.Text(v.Since.Absolute))),
	)
}

func attentionCard(a attention) g.Node {
	if len(a.Items) == 0 {
		return card("attention", "card attention", "What needs you",
			h.P(h.Class("empty"), g.If(a.Good, icon("ok")), g.Text(a.Empty)))
	}
	return card("attention", "card attention", "What needs you", h.Div(h.Class("items"), g.Map(a.Items, itemView)))
}

func itemView(i item) g.Node {
	return h.Article(h.Class("item"), g.If(i.ID != "", h.ID(i.ID)),
		h.H3(icon(i.Icon), marked(i.Title), g.Text(" "), code(i.Code)),
		told(i.Detail),
		detail(i.Message),
		fix(i.Fix),
		g.If(len(i.Examples) > 0, h.Ul(h.Class("inline"), g.Map(i.Examples, exampleView),
			g.If(i.More.Href != "", h.Li(h.A(h.Href(i.More.Href), g.Text(i.More.Text)))))),
		g.If(i.Command != "", h.P(g.Text("All of them: "), copied(i.Command))),
	)
}

func exampleView(e example) g.Node {
	who := g.Text(e.Text)
	if e.Href != "" {
		who = h.A(h.Href(e.Href), bdi(e.Text))
	}
	return h.Li(who, g.If(e.Note != "", g.Text(", "+e.Note)), g.If(e.Until.Known, g.Text(", until "+e.Until.Absolute)))
}

func phaseTileList(tiles []phaseTile) g.Node {
	return card("phases", "", "Clients by phase", h.Ul(h.Class("tiles"), g.Map(tiles, func(t phaseTile) g.Node {
		class := "tile " + t.Phase
		if t.None {
			class += " none"
		}
		return h.Li(h.Class(class), h.A(h.Href(t.Link), g.If(t.Shown, h.Aria("current", "true")),
			h.Span(h.Class("label"), icon(t.Phase), g.Text(t.Label)), g.Text(" "),
			h.Span(h.Class("count"), g.Text(t.Count)), g.Text(" "),
			h.Span(h.Class("muted small"), g.Text(t.Meaning))))
	})))
}

func feedsCard(feeds []feedRow) g.Node {
	return card("feeds", "card", "Feeds", h.Table(h.Role("table"),
		h.Caption(h.Class("unseen"), g.Text("When each feed last brought an event and last worked")),
		h.THead(h.Role("rowgroup"), h.Tr(h.Role("row"), columnHead("Feed", ""), columnHead("Last event", ""), columnHead("Last worked", ""))),
		h.TBody(h.Role("rowgroup"), g.Map(feeds, func(f feedRow) g.Node {
			what := f.What
			if f.Note != "" {
				what += ", " + f.Note
			}
			event := whenExactly(f.Event)
			if f.NoEvents {
				event = muted("brings none")
			}
			return h.Tr(h.Role("row"),
				h.Th(h.Scope("row"), h.Role("rowheader"), g.Text(f.Feed+" "), h.Small(g.Text(what))),
				h.Td(h.Role("cell"), h.Data("label", "Last event"), event),
				h.Td(h.Role("cell"), h.Data("label", "Last worked"), whenExactly(f.Success)))
		})),
	))
}

func budgetCard(b budget) g.Node {
	if !b.Known {
		return card("budget", "card", "Rate budget",
			h.P(h.Class("muted"), g.Text("Not known until Auth0 has answered a call.")), h.P(g.Text(b.Waiting)))
	}
	class := "big"
	if b.Low {
		class += " low"
	}
	return card("budget", "card", "Rate budget",
		h.P(h.Class(class), h.Strong(g.Text(b.Remaining)), g.Text(" of "+b.Limit+" "), h.Span(g.Text("calls left"))),
		bar(b.Percent, b.Low),
		h.P(g.Text(b.Waiting)),
		g.If(b.Reset.Known, h.P(h.Class("muted small"), g.Text("Auth0’s reset: "), h.Time(h.DateTime(b.Reset.Machine), g.Text(b.Reset.Absolute)))),
	)
}

func capacityCard(c capacity) g.Node {
	if !c.Known {
		return card("capacity", "card", "Capacity", h.P(h.Class("muted"), marked("Counted a minute after a start. Should nothing show then, name the plan by `GRANTD_PLAN`.")))
	}
	return card("capacity", "card", "Capacity",
		g.Map(c.Rows, func(r capacityRow) g.Node {
			return g.Group{
				h.H3(h.Class("kind"), g.If(r.Scarce, icon("warn")), g.Text(r.Title)),
				bar(r.Percent, r.Scarce),
				h.P(g.Text(r.Sentence), g.If(r.Scarce, g.Text(" Nearly full."))),
			}
		}),
		h.P(h.Class("muted small"), g.Text("Plan: "+c.Plan)),
	)
}

func timesCard(t times) g.Node {
	const heading = "From registration to ready"
	if t.N == 0 {
		return card("times", "card", heading, h.P(h.Class("muted"), g.Text("No client was seen from its registration to ready yet.")))
	}
	stat := func(name, value string) g.Node { return h.Div(h.Dt(g.Text(name)), h.Dd(g.Text(value))) }
	return card("times", "card", heading,
		h.Dl(h.Class("stats"), stat("Half within", t.P50), stat("95 % within", t.P95), stat("All within", t.Max), stat("Clients", strconv.Itoa(t.N))),
		timesChart(t),
		h.P(h.Class("muted small"), g.Text(t.Sentence)),
	)
}

func timesChart(t times) g.Node {
	left, right, label := strconv.Itoa(t.Left), strconv.Itoa(t.Right), strconv.Itoa(t.Label)
	line := func(class, y string) g.Node {
		return g.El("line", h.Class(class), g.Attr("x1", left), g.Attr("x2", right), g.Attr("y1", y), g.Attr("y2", y))
	}
	text := func(x, y, anchor, words string) g.Node {
		return g.El("text", g.Attr("x", x), g.Attr("y", y), g.If(anchor != "", g.Attr("text-anchor", anchor)), g.Text(words))
	}
	return h.SVG(h.Class("chart"), g.Attr("viewBox", "0 0 400 128"), h.Role("img"), h.Aria("labelledby", "times-title times-desc"),
		g.El("title", h.ID("times-title"), g.Text("Time from registration to ready")),
		g.El("desc", h.ID("times-desc"), g.Text(t.Sentence)),
		g.Map(t.Grid, func(l gridLine) g.Node { return g.Group{line("grid", l.Y), text(label, l.TextY, "end", l.Label)} }),
		line("median", t.Median),
		g.Map(t.Dots, func(d dot) g.Node {
			return g.El("circle", g.Attr("cx", d.X), g.Attr("cy", d.Y), g.Attr("r", "3"), g.El("title", g.Text(d.Text)))
		}),
		text(left, "124", "", "older"), text(right, "124", "end", "newest"),
	)
}

func clientsCard(l clientList) g.Node {
	return h.Section(h.ID("clients"), h.Class("card"), h.Aria("labelledby", "h-clients"),
		h.H2(h.ID("h-clients"), g.Text("Clients")),
		h.Form(h.Class("search"), h.Role("search"), h.Method("get"), h.Action("/#clients"),
			h.P(h.Label(h.For("q"), g.Text("Search by id, name, callback or reason")),
				h.Input(h.ID("q"), h.Name("q"), h.Type("search"), h.Value(l.Query.Text), h.AutoComplete("off"), g.Attr("spellcheck", "false"), h.MaxLength("200"))),
			h.P(h.Label(h.For("phase"), g.Text("Phase")), h.Select(h.ID("phase"), h.Name("phase"), g.Map(l.Phases, func(o phaseOption) g.Node {
				return h.Option(h.Value(o.Value), g.If(o.Selected, h.Selected()), g.Text(o.Label))
			}))),
			h.P(h.Button(h.Type("submit"), g.Text("Show"))),
		),
		h.Div(h.ID("list"), g.Attr("data-part"), clientTable(l), clientPages(l)),
	)
}

func clientTable(l clientList) g.Node {
	if len(l.Rows) == 0 {
		return h.P(h.Class("empty"), g.Text(l.Empty))
	}
	return h.Table(h.Class("list"), h.Role("table"),
		h.Caption(g.Text(l.Caption)),
		h.THead(h.Role("rowgroup"), h.Tr(h.Role("row"), columnHead("Client", ""), columnHead("Phase", ""), columnHead("First seen", ""),
			columnHead("Ready in", "wide"), columnHead("Last used", "wide"))),
		h.TBody(h.Role("rowgroup"), g.Map(l.Rows, func(r clientRow) g.Node {
			took := muted("–")
			if r.TimeToReady != "" {
				took = g.Text(r.TimeToReady)
			}
			return h.Tr(h.Role("row"), h.Data("client-id", r.ID),
				h.Th(h.Scope("row"), h.Role("rowheader"), h.A(h.Href(r.Path), bdi(r.Name)), h.Code(g.Text(r.ID))),
				h.Td(h.Role("cell"), badge(r.Phase), g.If(r.Reason != "", h.Small(g.Text(r.Reason)))),
				h.Td(h.Role("cell"), when(r.FirstSeen)),
				h.Td(h.Role("cell"), h.Class("wide"), took),
				h.Td(h.Role("cell"), h.Class("wide"), when(r.LastUsed)))
		})),
	)
}

func clientPages(l clientList) g.Node {
	if l.Note == "" && l.Next == "" && l.First == "" && l.All == "" {
		return nil
	}
	older := "Older"
	if l.Note != "" {
		older = "Go on searching"
	}
	return h.Nav(h.Class("pages"), h.Aria("label", "Pages of clients"),
		g.If(l.Note != "", h.P(g.Text(l.Note))),
		g.If(l.First != "", h.A(h.Href(l.First), g.Text("Newest"))),
		g.If(l.Next != "", h.A(h.Href(l.Next), h.Rel("next"), g.Text(older))),
		g.If(l.All != "", h.A(h.Href(l.All), g.Text("All clients"))),
	)
}
