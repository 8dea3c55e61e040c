package tenantsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Pages of lists, in Auth0's two forms: by offset, up to the 1,000th record,
// and by cursor.
// https://auth0.com/docs/api/management/v2 (Pagination)
const (
	defaultPage = 50
	maxPage     = 100
	maxOffset   = 1000

	cursorLife = 24 * time.Hour
)

type paging struct {
	page, size int
	totals     bool
	cursor     bool // take or from was sent
	after      uint64
	now        time.Time
}

func (t *Tenant) paging(q url.Values, mode CheckpointPaging) (paging, *Error) {
	p := paging{size: defaultPage, totals: q.Get("include_totals") == "true", now: t.now()}
	number := func(name string, to *int, least, most int) *Error {
		if !q.Has(name) {
			return nil
		}
		n, err := strconv.Atoi(q.Get(name))
		switch {
		case err != nil:
			return badQuery("Expected type integer but found type string", name)
		case n < least:
			return badQuery(fmt.Sprintf("Value %d is less than minimum %d", n, least), name)
		case n > most:
			return badQuery(fmt.Sprintf("Value %d is greater than maximum %d", n, most), name)
		}
		*to = n
		return nil
	}
	if q.Has("take") || q.Has("from") {
		switch mode {
		case PagingServed:
			p.cursor = true
		case PagingRefused:
			name := "take"
			if !q.Has(name) {
				name = "from"
			}
			return p, badQuery("Additional properties not allowed: "+name, name)
		case PagingIgnored:
		}
	}
	if p.cursor {
		if fail := number("take", &p.size, 1, maxPage); fail != nil {
			return p, fail
		}
		if from := q.Get("from"); from != "" {
			after, ok := parseCursor(from, p.now)
			if !ok {
				return p, badPaging("The 'from' parameter is invalid or has expired.")
			}
			p.after = after
		}
		return p, nil
	}
	if fail := number("per_page", &p.size, 0, maxPage); fail != nil {
		return p, fail
	}
	if p.size == 0 {
		p.size = defaultPage
	}
	return p, number("page", &p.page, 0, 1<<30)
}

// capped refuses a page behind the 1,000th record.
func (p paging) capped() *Error {
	if (p.page+1)*p.size <= maxOffset {
		return nil
	}
	return badPaging(fmt.Sprintf("Requesting page %d exceeds the allowed maximum of %d records. "+
		"To fetch results beyond %d, use the checkpoint pagination method.", p.page, maxOffset, maxOffset))
}

// A cursor hides a sequence number, so that nobody builds one by hand, and is
// good for 24 hours.
const cursorPrefix = "Cg1H"

func makeCursor(seq uint64, now time.Time) string {
	hidden := strconv.FormatUint(seq, 10) + "." + strconv.FormatInt(now.Unix(), 10)
	return cursorPrefix + base64.RawURLEncoding.EncodeToString([]byte(hidden))
}

func parseCursor(s string, now time.Time) (uint64, bool) {
	raw, ok := strings.CutPrefix(s, cursorPrefix)
	if !ok {
		return 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		return 0, false
	}
	number, made, _ := strings.Cut(string(b), ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, false
	}
	at, err := strconv.ParseInt(made, 10, 64)
	return seq, err == nil && now.Sub(time.Unix(at, 0)) <= cursorLife
}

// listed is one page.
type listed[T any] struct {
	paging
	items []*T
	total int
	next  string
}

// collect takes one page of the rows that keep wants.
func collect[T any](from *table[T], p paging, keep func(*T) bool) (listed[T], *Error) {
	out := listed[T]{paging: p}
	if p.cursor {
		var last uint64
		for seq, v := range from.after(p.after) {
			if !keep(v) {
				continue
			}
			if len(out.items) == p.size {
				out.next = makeCursor(last, p.now)
				break
			}
			out.items, last = append(out.items, v), seq
		}
		return out, nil
	}
	if fail := p.capped(); fail != nil {
		return out, fail
	}
	start := p.page * p.size
	for v := range from.all() {
		if !keep(v) {
			continue
		}
		if out.total >= start && len(out.items) < p.size {
			out.items = append(out.items, v)
		}
		out.total++
		if !p.totals && len(out.items) == p.size {
			break
		}
	}
	return out, nil
}

// envelope frames a page: a bare array, or an object under the list's name.
func (l listed[T]) envelope(name string, items []json.RawMessage) response {
	if items == nil {
		items = []json.RawMessage{}
	}
	switch {
	case l.cursor:
		body := map[string]any{name: items}
		if l.next != "" {
			body["next"] = l.next
		}
		return jsonResponse(http.StatusOK, body)
	case l.totals:
		return jsonResponse(http.StatusOK, map[string]any{
			"total": l.total, "start": l.page * l.size, "limit": l.size, name: items,
		})
	}
	return jsonResponse(http.StatusOK, items)
}
