package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"grantd/internal/dcr"
)

// Auth0 pages its lists in two ways: by checkpoint (take and from, to the end)
// and by offset (page and per_page, to the 1,000th record).
// https://auth0.com/docs/api/management/v2 (Pagination)
const (
	pageSize   = 100     // the most in either form
	offsetEnd  = 1000    // records; an offset page that reaches beyond is refused
	maxCursor  = 4 << 10 // bytes of Auth0's cursor; real ones have some 50
	takePrefix = "take:" // begins a Next of the first form
	pagePrefix = "page:" // and of the second
)

var (
	errIgnored = errors.New("the answer is not a page by checkpoint")
	errNoTotal = errors.New("the answer has no total")
	errNoArray = errors.New("the answer is not a JSON array")
	errNoList  = errors.New("the answer has no list")
)

// listing is one list of Auth0's, walked by checkpoint or, where Auth0 does not
// do that, by offset. The SDK fits neither: it knows one form a list, and
// loses a page to one odd entry.
type listing struct {
	op    string
	path  string // below /api/v2
	name  string // of the array in the answer
	query url.Values
	// byOffset is set once Auth0 showed that it does not page by checkpoint;
	// nil where there is no other form.
	byOffset *atomic.Bool
}

// page is one page of a listing.
type page struct {
	items  []json.RawMessage
	next   string // where the next page begins; empty after the last
	capped bool   // Auth0 gives no further page, though there is more
}

// readPage reads the page that begins at from, which is empty or the next of an
// earlier page, perhaps of another process.
func (c *Client) readPage(ctx context.Context, l listing, from string) (page, error) {
	at, ok := parsePlace(from)
	refused := l.byOffset != nil && l.byOffset.Load()
	switch {
	case !ok, at.offset && l.byOffset == nil, at.cursor != "" && refused:
		return page{}, &Error{Op: l.op, Reason: dcr.InternalError, Err: ErrCursor}
	case at.offset, refused:
		p, err := c.readOffset(ctx, l, at)
		return p, stale(err, from)
	}
	p, err := c.readTake(ctx, l, at.cursor)
	if !errors.Is(err, errIgnored) && !badRequest(err) {
		return p, err
	}
	if from != "" || l.byOffset == nil {
		return page{}, stale(err, from)
	}
	if p, err = c.readOffset(ctx, l, place{}); err == nil {
		l.byOffset.Store(true)
	}
	return p, err
}

// readTake reads a page by checkpoint.
func (c *Client) readTake(ctx context.Context, l listing, cursor string) (page, error) {
	extra := url.Values{"take": {strconv.Itoa(pageSize)}}
	if cursor != "" {
		extra.Set("from", cursor)
	}
	e, err := c.readEnvelope(ctx, l, extra)
	switch {
	case err != nil:
		return page{}, err
	case e.offset && e.next == "":
		return page{}, badResponse(l.op, errIgnored)
	case len(e.next) > maxCursor, e.next != "" && e.next == cursor:
		return page{}, badResponse(l.op, errNoPages)
	}
	p := page{items: e.items}
	if e.next != "" {
		p.next = place{cursor: e.next}.String()
	}
	return p, nil
}

// readOffset reads a page by offset. The total tells whether there is another,
// so that none is asked for in vain.
func (c *Client) readOffset(ctx context.Context, l listing, at place) (page, error) {
	size := at.perPage()
	e, err := c.readEnvelope(ctx, l, url.Values{
		"page": {strconv.Itoa(at.page)}, "per_page": {strconv.Itoa(size)}, "include_totals": {"true"},
	})
	switch {
	case err != nil:
		return page{}, err
	case e.total == nil:
		return page{}, badResponse(l.op, errNoTotal)
	}
	if e.limit != nil && *e.limit > 0 && *e.limit < size { // Auth0 may allow less than was asked for
		if at.page > 0 { // so this page began elsewhere than it should have
			return page{}, &Error{Op: l.op, Reason: dcr.BadResponse, Err: ErrCursor}
		}
		size = *e.limit
	}
	p := page{items: e.items}
	if next := (place{offset: true, page: at.page + 1, size: size}); next.page*size < *e.total {
		if p.capped = !next.inside(); !p.capped {
			p.next = next.String()
		}
	}
	return p, nil
}

// envelope is an answer in any of the forms of a list.
type envelope struct {
	items        []json.RawMessage
	next         string
	offset       bool // it is a page by offset: a bare array, or one that says where it starts
	total, limit *int
}

func (c *Client) readEnvelope(ctx context.Context, l listing, extra url.Values) (envelope, error) {
	maps.Copy(extra, l.query)
	body, err := c.get(ctx, l.op, l.path, extra)
	if err != nil {
		return envelope{}, err
	}
	e, err := decodeEnvelope(body, l.name)
	if err != nil {
		return envelope{}, badResponse(l.op, err)
	}
	return e, nil
}

func decodeEnvelope(body []byte, name string) (envelope, error) {
	if isArray(body) {
		e := envelope{offset: true}
		return e, unmarshal(body, &e.items, "list")
	}
	var members map[string]json.RawMessage
	if err := unmarshal(body, &members, "answer"); err != nil {
		return envelope{}, err
	}
	e := envelope{offset: members["start"] != nil}
	for member, to := range map[string]any{name: &e.items, "next": &e.next, "total": &e.total, "limit": &e.limit} {
		if raw, ok := members[member]; ok {
			if err := unmarshal(raw, to, member); err != nil {
				return envelope{}, err
			}
		}
	}
	if e.items == nil {
		return envelope{}, errNoList
	}
	return e, nil
}

// unmarshal reads JSON. Its error says where and never what stood there.
func unmarshal(body []byte, to any, what string) error {
	if json.Unmarshal(body, to) != nil {
		return fmt.Errorf("the %s is of another type than expected", what)
	}
	return nil
}

func isArray(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) }

// translate reads the entries of a list. One that cannot be read, or that fit
// does not want, is left out: it must not hide the others.
func translate[T, U any](items []json.RawMessage, fit func(*T) (U, bool)) []U {
	out := make([]U, 0, len(items))
	for _, raw := range items {
		v := new(T)
		if json.Unmarshal(raw, v) != nil {
			continue
		}
		if u, ok := fit(v); ok {
			out = append(out, u)
		}
	}
	return out
}

// get makes a GET request of our own, for what the SDK cannot ask.
func (c *Client) get(ctx context.Context, op, path string, q url.Values) ([]byte, error) {
	target := c.base + apiPath + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(c.with(ctx, op), http.MethodGet, target, nil)
	if err != nil {
		return nil, result(op, err)
	}
	resp, err := c.transport.Do(req)
	if err != nil {
		return nil, result(op, err)
	}
	body, err := io.ReadAll(resp.Body)
	return body, result(op, err)
}

// place is where a page begins. The zero value is the beginning.
type place struct {
	cursor string // Auth0's own; empty at the beginning
	offset bool
	page   int // by offset, from 0
	size   int // of the pages that are counted so; pageSize when 0
}

func (p place) perPage() int {
	if p.size == 0 {
		return pageSize
	}
	return p.size
}

// inside reports whether the page by offset that begins there is one that Auth0
// gives.
func (p place) inside() bool { return (p.page+1)*p.perPage() <= offsetEnd }

// String is the place as it is handed out. The beginning is empty.
func (p place) String() string {
	switch {
	case p.offset:
		if size := p.perPage(); size != pageSize {
			return pagePrefix + strconv.Itoa(p.page) + "/" + strconv.Itoa(size)
		}
		return pagePrefix + strconv.Itoa(p.page)
	case p.cursor != "":
		return takePrefix + p.cursor
	}
	return ""
}

// parsePlace reads what String wrote.
func parsePlace(s string) (place, bool) {
	if s == "" {
		return place{}, true
	}
	if cursor, ok := strings.CutPrefix(s, takePrefix); ok {
		return place{cursor: cursor}, cursor != "" && len(cursor) <= maxCursor
	}
	rest, ok := strings.CutPrefix(s, pagePrefix)
	number, size, sized := strings.Cut(rest, "/")
	p := place{offset: true, size: pageSize}
	p.page = atoi(number)
	if sized {
		p.size = atoi(size)
	}
	return p, ok && p.page > 0 && p.size > 0 && p.size <= pageSize && p.inside() && p.String() == s
}

// atoi is a number that can be one of a page; 0 for everything else.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n > offsetEnd {
		return 0
	}
	return n
}

// stale makes the refusal of a page that is not the first an ErrCursor: the
// list was served before, so what is refused is the place in it. A cursor is
// good for 24 hours.
func stale(err error, from string) error {
	e, ok := errors.AsType[*Error](err)
	if from == "" || !ok || !badRequest(err) && !errors.Is(err, errIgnored) {
		return err
	}
	s := *e
	s.Err = ErrCursor
	return &s
}

func badRequest(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == http.StatusBadRequest
}
