package page

import (
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"grantd/internal/dcr"
)

// The pages are plain functions that return nodes: text and attributes are
// escaped where they are written. A template package would look methods up by
// names that only a run tells, which keeps every method of every type in the
// binary: a third of its size.

// document is a whole page.
func (p *Page) document(f frame, content g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(f.Title)),
			h.Link(h.Rel("icon"), h.Href(p.assetPath("mark.svg")), h.Type("image/svg+xml")),
			h.Link(h.Rel("stylesheet"), h.Href(p.assetPath("style.css"))),
			h.Script(h.Src(p.assetPath("live.js")), h.Defer()),
		),
		h.Body(h.Data("now", f.Now.Machine),
			h.A(h.Class("skip"), h.Href("#main"), g.Text("Skip to the content")),
			h.Header(h.Class("top"),
				h.A(h.Class("brand"), h.Href("/"),
					h.Img(h.Src(p.assetPath("mark.svg")), h.Alt(""), h.Width("28"), h.Height("28")), g.Text("grantd")),
				h.P(h.Class("where"), h.Span(g.Text(f.About.Tenant)), g.Text(" "), muted("for "+f.About.Audience)),
				h.P(h.Class("live"), h.Data("live", "off"), h.Span(h.Class("lamp"), hidden()), h.Span(g.Attr("data-live-text"),
					g.Text("As of "), h.Time(h.DateTime(f.Now.Machine), h.Title(f.Now.Absolute), g.Text(f.Now.Absolute)))),
			),
			h.P(h.Class("unseen"), h.Role("status"), h.Aria("live", "polite"), g.Attr("data-say")),
			content,
			h.Footer(h.Class("bottom"), h.P(
				g.Text("grantd "+f.About.Version+" · this page only reads · machines ask "),
				h.A(h.Href("/api/v1/clients"), g.Text("/api/v1")), g.Text(" and "), h.A(h.Href("/metrics"), g.Text("/metrics")),
			)),
		),
	))
}

func problemView(title, text string) g.Node {
	return h.Main(h.ID("main"), h.Class("problem"), tabindex(), h.Section(h.Class("card"),
		h.H1(g.Text(title)), h.P(g.Text(text)), h.P(h.A(h.Href("/"), g.Text("Back to the status page")))))
}

// card is a section with a heading. Parts of a page are renewed one by one.
func card(id, class, heading string, content ...g.Node) g.Node {
	return h.Section(h.ID(id), g.If(class != "", h.Class(class)), h.Aria("labelledby", "h-"+id), g.Attr("data-part"),
		h.H2(h.ID("h-"+id), g.Text(heading)), g.Group(content))
}

func tabindex() g.Node { return h.TabIndex("-1") }

// hidden keeps a picture from those who are read to.
func hidden() g.Node { return h.Aria("hidden", "true") }

func muted(text string) g.Node { return h.Span(h.Class("muted"), g.Text(text)) }

func code(text string) g.Node { return h.Code(h.Class("muted"), g.Text(text)) }

// marked is text whose variables, permissions and commands are set as code, so
// that they are told from the words around them.
func marked(text dcr.Text) g.Node {
	var nodes g.Group
	text.Spans(
		func(s string) { nodes = append(nodes, g.Text(s)) },
		func(s string) { nodes = append(nodes, h.Code(g.Text(s))) },
	)
	return nodes
}

// told is a paragraph, where there is something to tell.
func told(text dcr.Text) g.Node { return g.If(text != "", h.P(marked(text))) }

// detail is what a message adds to the meaning of its reason.
func detail(text string) g.Node {
	return g.If(text != "", h.P(h.Class("detail"), g.Text(text)))
}

// fix says what to do, where somebody can.
func fix(text dcr.Text) g.Node {
	return g.If(text != "", h.P(h.Class("fix"), h.Strong(g.Text("What to do:")), g.Text(" "), marked(text)))
}

func never() g.Node { return muted("never") }

// when is a time as it is seen from now.
func when(m moment) g.Node {
	if !m.Known {
		return never()
	}
	return h.Time(h.DateTime(m.Machine), h.Title(m.Absolute), g.Attr("data-ago"), g.Text(m.Ago))
}

// whenExactly is a time in both ways.
func whenExactly(m moment) g.Node {
	if !m.Known {
		return never()
	}
	return h.Time(h.DateTime(m.Machine), h.Span(g.Attr("data-ago"), g.Text(m.Ago)), g.Text(" "), h.Small(g.Text(m.Absolute)))
}

func badge(phase string) g.Node { return h.Span(h.Class("badge "+phase), icon(phase), g.Text(phase)) }

// copied is text to be copied.
func copied(text string) g.Node { return h.Code(h.Class("copy"), g.Attr("data-copy"), g.Text(text)) }

func bdi(text string) g.Node { return g.El("bdi", g.Text(text)) }

// bar is how much of a whole there is.
func bar(percent int, low bool) g.Node {
	class := "bar"
	if low {
		class += " low"
	}
	return h.SVG(h.Class(class), g.Attr("viewBox", "0 0 100 4"), g.Attr("preserveAspectRatio", "none"), hidden(), g.Attr("focusable", "false"),
		g.El("rect", h.Class("track"), h.Width("100"), h.Height("4")),
		g.El("rect", h.Class("fill"), h.Width(strconv.Itoa(percent)), h.Height("4")))
}

// The roles that a table loses when a narrow screen shows it as blocks.
func columnHead(text, class string) g.Node {
	return h.Th(h.Scope("col"), h.Role("columnheader"), g.If(class != "", h.Class(class)), g.Text(text))
}

// icon is a picture that stands beside a word that says the same. It is of a
// closed list, and nothing for any other name.
func icon(name string) g.Node {
	var body string
	switch name {
	case "ok", "ready", "yes":
		body = `<circle cx="8" cy="8" r="7"/><path d="m4.8 8.3 2.2 2.2 4.2-4.6"/>`
	case "degraded", "blocked", "warn":
		body = `<path d="M8 1.6 15 14H1z"/><path d="M8 6.2v3.6M8 11.9v.1"/>`
	case "down", "no":
		body = `<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/><path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8"/>`
	case "pending", "starting":
		body = `<circle cx="8" cy="8" r="7"/><path d="M8 4v4.3l2.7 1.6"/>`
	case "refused":
		body = `<circle cx="8" cy="8" r="7"/><path d="m3.2 3.2 9.6 9.6"/>`
	case "gone":
		body = `<circle cx="8" cy="8" r="7" stroke-dasharray="2.6 2.2"/><path d="M5 8h6"/>`
	case "hold":
		body = `<circle cx="8" cy="8" r="7"/><path d="M6.3 5.4v5.2M9.7 5.4v5.2"/>`
	default:
		return nil
	}
	return h.SVG(h.Class("icon"), g.Attr("viewBox", "0 0 16 16"), hidden(), g.Attr("focusable", "false"), g.Raw(body))
}
