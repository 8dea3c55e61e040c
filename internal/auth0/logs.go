package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// LogQuery is a search of the tenant's log. Of what it matches the first 1,000
// entries can be read.
// https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax
type LogQuery struct {
	Q       string // Lucene syntax
	Page    int    // from 0
	PerPage int    // 1 to 100; 100 when 0
	Sort    string // such as "date:1"; by Auth0's choice when empty
}

// SearchLogs returns a page of log entries as the JSON array that Auth0 sent.
// The SDK has no way to ask for it.
func (c *Client) SearchLogs(ctx context.Context, q LogQuery) ([]byte, error) {
	if q.Page < 0 || q.PerPage < 0 || q.PerPage > 100 {
		return nil, invalid(opSearchLogs, "page")
	}
	if q.PerPage == 0 {
		q.PerPage = 100
	}
	v := url.Values{"page": {strconv.Itoa(q.Page)}, "per_page": {strconv.Itoa(q.PerPage)}, "include_totals": {"false"}}
	if q.Q != "" {
		v.Set("q", q.Q)
	}
	if q.Sort != "" {
		v.Set("sort", q.Sort)
	}
	body, err := c.get(ctx, opSearchLogs, "/logs", v)
	if err != nil {
		return nil, err
	}
	if !isArray(body) {
		return nil, badResponse(opSearchLogs, errNoArray)
	}
	return body, nil
}

// JWKS checks that the tenant's signing keys can be read. It needs no token
// and does not count against the Management API's limits.
func (c *Client) JWKS(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/.well-known/jwks.json", nil)
	if err != nil {
		return result(opGetJWKS, err)
	}
	resp, failed := c.transport.exchange(req, opGetJWKS, mask{})
	if failed != nil {
		return failed
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return result(opGetJWKS, err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || len(set.Keys) == 0 {
		return badResponse(opGetJWKS, errors.New("the answer is not a key set"))
	}
	return nil
}
