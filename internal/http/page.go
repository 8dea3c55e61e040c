package http

import (
	"bytes"
	"compress/gzip"
	"errors"
	nethttp "net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/page"
	"grantd/internal/store"
)

// maxSearch is how many bytes of a search are looked for.
const maxSearch = 200

// pages answers people; the JSON API answers programs.
type pages struct{ *page.Page }

// routes of the status page. They read.
func (p pages) routes() []route {
	return []route{
		get("/", p.status),
		get("/clients/:client_id", p.client),
		get("/assets/:name", p.asset),
	}
}

// index is the status page for browsers, and a few lines for everybody else.
func (p pages) status(c echo.Context) error {
	c.Response().Header().Set("Vary", "Accept")
	if !strings.Contains(c.Request().Header.Get("Accept"), "text/html") {
		return p.text(c)
	}
	q := page.Query{Phase: dcr.Phase(c.QueryParam("phase")), Text: strings.TrimSpace(c.QueryParam("q")), After: c.QueryParam("after")}
	if q.Phase != "" && !slices.Contains(dcr.Phases(), q.Phase) {
		return p.problem(c, nethttp.StatusBadRequest, "There is no such phase", "A client is ready, pending, blocked, refused or gone.")
	}
	if len(q.Text) > maxSearch {
		q.Text = strings.ToValidUTF8(q.Text[:maxSearch], "")
	}
	var b bytes.Buffer
	err := p.Status(c.Request().Context(), &b, q)
	return p.answer(c, &b, err)
}

func (p pages) text(c echo.Context) error {
	var b bytes.Buffer
	b.WriteString("grantd\n\n")
	if err := p.Text(c.Request().Context(), &b); err != nil {
		return err
	}
	b.WriteString("\n" + index)
	return c.String(nethttp.StatusOK, b.String())
}

func (p pages) client(c echo.Context) error {
	id := c.Param("client_id")
	if !dcr.ValidClientID(id) {
		return p.answer(c, nil, store.ErrNotFound)
	}
	var b bytes.Buffer
	err := p.Client(c.Request().Context(), &b, id, c.QueryParam("after"))
	return p.answer(c, &b, err)
}

// answer sends the page, or says why there is none.
func (p pages) answer(c echo.Context, b *bytes.Buffer, err error) error {
	switch {
	case err == nil:
		return html(c, nethttp.StatusOK, b)
	case errors.Is(err, store.ErrNotFound):
		return p.problem(c, nethttp.StatusNotFound, "The ledger has no such client",
			"Compare the id letter by letter. A client that was refused or deleted may have been forgotten since.")
	case errors.Is(err, store.ErrCursor):
		return p.problem(c, nethttp.StatusBadRequest, "This page of the list does not exist", "Its address was cut or changed. Begin at the newest client.")
	default:
		return ledgerProblem(err)
	}
}

func (p pages) problem(c echo.Context, status int, title, text string) error {
	var b bytes.Buffer
	if err := p.Problem(&b, title, text); err != nil {
		return err
	}
	return html(c, status, &b)
}

// html sends a page, compressed where the browser takes that: it is asked for
// again with every change that is shown live.
func html(c echo.Context, status int, b *bytes.Buffer) error {
	header := c.Response().Header()
	header.Set("Content-Security-Policy", page.Policy)
	header.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAcceptEncoding), "gzip") {
		return c.HTMLBlob(status, b.Bytes())
	}
	header.Set(echo.HeaderContentEncoding, "gzip")
	header.Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
	c.Response().WriteHeader(status)
	z := gzip.NewWriter(c.Response())
	if _, err := z.Write(b.Bytes()); err != nil {
		return err
	}
	return z.Close()
}

// asset is a file that a page needs. Its name tells its content, so that it
// never changes.
func (p pages) asset(c echo.Context) error {
	a, ok := p.Asset(c.Param("name"))
	if !ok {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	return c.Blob(nethttp.StatusOK, a.Type, a.Body)
}
