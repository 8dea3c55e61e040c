package page

import (
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

func clientPageView(v clientView) g.Node {
	return h.Main(h.ID("main"), h.Class("client"), tabindex(),
		h.Nav(h.Class("crumbs"), h.Aria("label", "Breadcrumb"), h.A(h.Href("/"), g.Text("Status")), g.Text(" "),
			h.Span(hidden(), g.Text("›")), g.Text(" "), h.A(h.Href("/#clients"), g.Text("Clients"))),
		clientHead(v),
		g.If(len(v.Holds) > 0, card("holds", "card", "Holds", g.Map(v.Holds, holdItem))),
		conditionsCard(v.Conditions),
		h.Div(h.Class("two"), factsCard(v), commandsCard(v.Commands)),
		g.If(len(v.Plan) > 0, card("plan", "card", "What would be done",
			h.P(h.Class("muted"), g.Text("This is a dry run: nothing of it is written.")),
			h.Ol(h.Class("timeline"), g.Map(v.Plan, func(c changeView) g.Node { return h.Li(h.H3(g.Text(c.Step)), fieldList(c.Fields)) })))),
		journalCard(v),
	)
}

func clientHead(v clientView) g.Node {
	return h.Section(h.ID("client"), h.Class("card phase "+v.Phase), h.Aria("labelledby", "h-client"), g.Attr("data-part"),
		h.H1(h.ID("h-client"), bdi(v.Name)),
		h.P(copied(v.ID)),
		h.P(h.Class("state"), badge(v.Phase), g.Text(" "+v.Meaning), g.If(v.Code != "", g.Group{g.Text(" "), code(v.Code)})),
		told(v.Reasons),
		detail(v.Message),
		fix(v.Fix),
	)
}

func holdItem(v holdView) g.Node {
	until := "until it is released"
	if v.Until.Known {
		until = "until " + v.Until.Absolute
	}
	if v.Since.Known {
		until = "Since " + v.Since.Absolute + ", " + until
	}
	return h.Article(h.Class("item"), h.H3(icon("hold"), g.Text(v.Text+" "), code(v.Code)),
		h.P(marked(v.Meaning)), h.P(h.Class("muted small"), g.Text(until)))
}

func conditionsCard(conditions []conditionView) g.Node {
	if len(conditions) == 0 {
		return card("conditions", "card", "What it needs",
			h.P(h.Class("muted"), g.Text("Nothing of it was looked at yet, or it is none that grantd serves.")))
	}
	return card("conditions", "card", "What it needs", h.Ul(h.Class("conditions"), g.Map(conditions, func(c conditionView) g.Node {
		return h.Li(h.Class(c.Icon),
			h.H3(icon(c.Icon), g.Text(c.Name+": "+c.Word)),
			h.P(h.Class("muted small"), g.Text(c.What)),
			g.If(c.Message != "", h.P(g.Text(c.Message))),
			told(c.Meaning),
			g.If(c.Reason != "", h.P(code(c.Reason))),
			fix(c.Fix),
			g.If(c.Since.Known, h.P(h.Class("muted small"), g.Text("since "), when(c.Since))))
	})))
}

func factsCard(v clientView) g.Node {
	callbacks := h.P(h.Class("muted"), g.Text("None are known."))
	if len(v.Callbacks) > 0 {
		callbacks = h.Ul(h.Class("uris"), g.Map(v.Callbacks, func(uri string) g.Node { return h.Li(h.Code(g.Text(uri))) }))
	}
	return card("facts", "card", "Facts",
		h.Dl(h.Class("facts"), g.Map(v.Facts, func(f fact) g.Node {
			return h.Div(h.Dt(g.Text(f.Name)), h.Dd(
				g.If(f.When.Known, whenExactly(f.When)), g.If(f.Text != "", g.Group{g.Text(" "), h.Span(g.Text(f.Text))})))
		})),
		h.H3(g.Text("Callbacks")),
		callbacks,
	)
}

func commandsCard(commands []command) g.Node {
	return h.Section(h.ID("commands"), h.Class("card"), h.Aria("labelledby", "h-commands"),
		h.H2(h.ID("h-commands"), g.Text("Commands")),
		h.Dl(h.Class("commands"), g.Map(commands, func(c command) g.Node { return h.Div(h.Dt(g.Text(c.What)), h.Dd(copied(c.Line))) })),
	)
}

func journalCard(v clientView) g.Node {
	entries := h.P(h.Class("muted"), g.Text("Nothing so far."))
	if len(v.Journal) > 0 {
		entries = h.Ol(h.Class("timeline"), g.Map(v.Journal, entryItem))
	}
	return card("journal", "card", "What grantd changed", entries,
		g.If(v.Newer != "" || v.Older != "", h.Nav(h.Class("pages"), h.Aria("label", "Pages of changes"),
			g.If(v.Newer != "", h.A(h.Href(v.Newer), g.Text("Newest"))),
			g.If(v.Older != "", h.A(h.Href(v.Older), h.Rel("next"), g.Text("Older"))))),
	)
}

func entryItem(e entryView) g.Node {
	because := "Because of " + e.Cause
	if e.Actor != "" {
		because += ", by " + e.Actor
	}
	because += "."
	if e.Reverts != "" {
		because += " Undoes entry " + e.Reverts + "."
	}
	return h.Li(
		h.H3(g.Text(e.Sentence+" "), code(e.Step)),
		h.P(h.Class("muted small"), whenExactly(e.At)),
		fieldList(e.Fields),
		h.P(h.Class("small"), g.Text(because)),
		h.P(h.Class("muted small"), g.Text("Entry "+e.Seq),
			g.If(e.LogID != "", g.Group{g.Text(" · log entry "), h.Code(g.Text(e.LogID))}),
			g.If(e.Correlation != "", g.Group{g.Text(" · in Auth0’s log as "), h.Code(g.Text(e.Correlation))})),
	)
}

// fieldList is what became of each field.
func fieldList(fields []fieldView) g.Node {
	if len(fields) == 0 {
		return nil
	}
	return h.Dl(h.Class("fields"), g.Map(fields, func(f fieldView) g.Node {
		return h.Div(h.Dt(h.Code(g.Text(f.Name))), h.Dd(fieldChange(f)))
	}))
}

func fieldChange(f fieldView) g.Node {
	if f.List {
		return g.Group{
			g.Map(f.Added, func(s string) g.Node { return g.Group{h.Ins(unseen("added "), g.Text(s)), g.Text(" ")} }),
			g.Map(f.Taken, func(s string) g.Node { return g.Group{h.Del(unseen("taken away "), g.Text(s)), g.Text(" ")} }),
			g.Map(f.Kept, func(s string) g.Node { return g.Group{h.Span(h.Class("kept"), g.Text(s)), g.Text(" ")} }),
		}
	}
	now := muted("nothing")
	if f.After != "" {
		now = h.Ins(unseen("is "), g.Text(f.After))
	}
	if f.Before == "" {
		return now
	}
	return g.Group{h.Del(unseen("was "), g.Text(f.Before)), g.Text(" "), h.Span(hidden(), g.Text("→")), g.Text(" "), now}
}

func unseen(text string) g.Node { return h.Span(h.Class("unseen"), g.Text(text)) }
