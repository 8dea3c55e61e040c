package tenantsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxQuery is the longest search, in bytes.
const maxQuery = 4096

// listLogs is GET /api/v2/logs: by checkpoint if from or take is there, else
// by search.
// https://auth0.com/docs/deploy-monitor/logs/retrieve-log-events-using-mgmt-api
func (t *Tenant) listLogs(r *request) (response, *Error) {
	if r.query.Has("from") || r.query.Has("take") {
		return t.checkpoint(r)
	}
	return t.search(r)
}

// checkpoint answers the entries newer than from by log id, oldest first.
func (t *Tenant) checkpoint(r *request) (response, *Error) {
	p := paging{size: defaultPage}
	if r.query.Has("take") {
		sized, fail := t.paging(url.Values{"take": r.query["take"]}, PagingServed)
		if fail != nil {
			return response{}, fail
		}
		p = sized
	}
	from := r.query.Get("from")
	now, oldest := t.now(), t.now().Add(-t.plan.retention())
	if t.quirks.StaleFromRefused && from != "" && from < "900"+oldest.UTC().Format("20060102150405") {
		return response{}, badPaging("The 'from' log id is older than the log retention.")
	}
	items := []json.RawMessage{}
	last := from
	for _, l := range t.logs[t.logsAfter(from):] {
		if l.ingested.Before(oldest) {
			continue
		}
		if t.quirks.CheckpointDelayed && l.visible.After(now) {
			break // an order by id cannot skip one
		}
		if len(items) == p.size {
			break
		}
		items, last = append(items, l.api()), l.ID
	}
	res := jsonResponse(http.StatusOK, items)
	next := url.Values{"take": {itoa(p.size)}, "from": {last}}
	res.set("Link", "<"+r.base+"/api/v2/logs?"+next.Encode()+`>; rel="next"`)
	return res, nil
}

func (t *Tenant) search(r *request) (response, *Error) {
	q := r.query.Get("q")
	if len(q) > maxQuery {
		return response{}, &Error{http.StatusRequestURITooLong, "", "URI Too Long"}
	}
	page, fail := t.paging(r.query, PagingIgnored)
	if fail != nil {
		return response{}, fail
	}
	if fail := page.capped(); fail != nil {
		return response{}, fail
	}
	match, fail := parseQuery(q)
	if fail != nil {
		return response{}, fail
	}
	hits, fail := t.hits(match, r.query.Get("sort"), (page.page+1)*page.size)
	if fail != nil {
		return response{}, fail
	}
	hits = hits[min(page.page*page.size, len(hits)):]
	fields, include := splitList(r.query.Get("fields")), r.query.Get("include_fields") != "false"
	items := make([]json.RawMessage, len(hits))
	for i, l := range hits {
		items[i] = selectFields(l.api(), fields, include)
	}
	if page.totals {
		return jsonResponse(http.StatusOK, map[string]any{
			"start": page.page * page.size, "limit": page.size, "length": len(items), "total": len(items), "logs": items,
		}), nil
	}
	return jsonResponse(http.StatusOK, items), nil
}

// hits are the first n entries in the order wanted. Without a sort that is the
// descending log id, which is not the descending date.
func (t *Tenant) hits(match matcher, sort string, n int) ([]*Log, *Error) {
	now := t.now()
	oldest := now.Add(-t.plan.retention())
	var out []*Log
	for _, l := range slices.Backward(t.logs) {
		if l.visible.After(now) || l.Date.Before(oldest) || !match(l) {
			continue
		}
		out = append(out, l)
		if sort == "" && len(out) == n {
			break
		}
	}
	if sort == "" {
		return out, nil
	}
	field, order, ok := strings.Cut(sort, ":")
	if !ok || order != "1" && order != "-1" {
		return nil, badQuery("String does not match pattern ^(.*):(1|-1)$", "sort")
	}
	slices.SortStableFunc(out, func(a, b *Log) int {
		c := strings.Compare(a.field(field), b.field(field))
		if order == "-1" {
			return -c
		}
		return c
	})
	if t.quirks.SearchDoubles {
		for i := len(out) - 1; i >= 0; i -= 3 {
			out = slices.Insert(out, i, out[i])
		}
	}
	return out[:min(n, len(out))], nil
}

func (t *Tenant) getLog(r *request) (response, *Error) {
	i := t.logsAfter(r.vars[0])
	if i == 0 || t.logs[i-1].ID != r.vars[0] || t.logs[i-1].visible.After(t.now()) {
		return response{}, &Error{http.StatusNotFound, "inexistent_log", "The log event does not exist."}
	}
	return response{status: http.StatusOK, body: t.logs[i-1].api()}, nil
}
