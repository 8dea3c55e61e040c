package page

import (
	"bytes"
	"context"
	"io"
	"time"

	g "maragu.dev/gomponents"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/health"
	"grantd/internal/store"
)

// Policy is the Content-Security-Policy of every page: nothing from elsewhere,
// nothing inline, and nobody may frame it.
const Policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Ledger is what the page reads of the ledger.
type Ledger interface {
	// Client returns one record, or store.ErrNotFound.
	Client(ctx context.Context, id string) (dcr.Record, error)
	// Clients returns a page of records in the order of their ids.
	Clients(context.Context, store.Query) ([]dcr.Record, string, error)
	// Newest returns a page of records, those first that were seen last.
	Newest(context.Context, store.Search) (store.Found, error)
	// Journal returns a page of the journal, newest first.
	Journal(context.Context, store.JournalQuery) ([]dcr.JournalEntry, string, error)
}

// Health knows how grantd is doing, from memory.
type Health interface {
	Report(context.Context) health.Report
	Checks(context.Context) []health.Check
}

// About is what grantd is and what it works for.
type About struct {
	Version, Tenant, Audience string
	DryRun                    bool
}

// Options of a Page. Ledger, Health and About are required.
type Options struct {
	Ledger Ledger
	Health Health
	About  func() About
	// Holds returns those in force; nil: there are none.
	Holds func(context.Context) ([]dcr.Hold, error)
	// Waiting are the calls that wait for the rate limit, by class; nil: none.
	Waiting func() map[dcr.Class]int
	// Capacity is how full the tenant is, false while that is not known; nil:
	// it never is.
	Capacity func() (dcr.Capacity, bool)
	// Now is the clock; nil is time.Now. What was made with the Page counts as
	// started then.
	Now func() time.Time
}

// Page renders the status page. Its methods may be called concurrently.
type Page struct {
	o       Options
	started time.Time
	assets  map[string]Asset
}

// New returns a Page.
func New(o Options) *Page {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Holds == nil {
		o.Holds = func(context.Context) ([]dcr.Hold, error) { return nil, nil }
	}
	if o.Waiting == nil {
		o.Waiting = func() map[dcr.Class]int { return nil }
	}
	if o.Capacity == nil {
		o.Capacity = func() (dcr.Capacity, bool) { return dcr.Capacity{}, false }
	}
	return &Page{o: o, started: o.Now(), assets: loadAssets()}
}

// frame is what every page has around its content.
type frame struct {
	Title string
	About About
	Now   moment
}

// render writes a whole page. Nothing is written where it fails.
func (p *Page) render(w io.Writer, title string, content g.Node) error {
	a := p.o.About()
	a.Version, a.Tenant, a.Audience = display.Line(a.Version, 60), display.Line(a.Tenant, 120), display.Line(a.Audience, 200)
	now := p.o.Now()
	var b bytes.Buffer
	if err := p.document(frame{title, a, at(now, now)}, content).Render(&b); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Problem writes a page that says what is wrong with a request.
func (p *Page) Problem(w io.Writer, title, text string) error {
	return p.render(w, title, problemView(title, text))
}
