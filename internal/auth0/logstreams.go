package auth0

import (
	"context"
	"encoding/json"
	"net/url"

	"grantd/internal/dcr"
)

// wireLogStream is all that is read of a stream: sinks hold secrets.
// https://auth0.com/docs/api/management/v2/log-streams/get-log-streams
type wireLogStream struct {
	ID     string `json:"id"`
	Name   text   `json:"name"`
	Type   text   `json:"type"`
	Status text   `json:"status"`
	Sink   struct {
		Endpoint text `json:"httpEndpoint"`
	} `json:"sink"`
}

// LogStreams lists the tenant's log streams. It can be done without: where
// read:log_streams is missing no token is spent on that. Entries that cannot be
// read are left out.
func (c *Client) LogStreams(ctx context.Context) ([]dcr.LogStream, error) {
	body, err := c.get(ctx, opListLogStreams, "/log-streams", nil)
	if err != nil {
		return nil, err
	}
	if !isArray(body) {
		return nil, badResponse(opListLogStreams, errNoArray)
	}
	var items []json.RawMessage
	if err := unmarshal(body, &items, "list"); err != nil {
		return nil, badResponse(opListLogStreams, err)
	}
	return translate(items, func(w *wireLogStream) (dcr.LogStream, bool) {
		s := dcr.LogStream{
			ID: w.ID, Name: clean(string(w.Name), maxMessage),
			Type: clean(string(w.Type), maxCode), Status: clean(string(w.Status), maxCode),
		}
		if s.Type == "http" {
			s.Endpoint = bareURL(string(w.Sink.Endpoint))
		}
		return s, validID(w.ID)
	}), nil
}

// maxURL bounds a URL from outside, in bytes.
const maxURL = 2 << 10

// bareURL is a web address without user, query and fragment, where secrets
// are kept; empty when it is none.
func bareURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return clean(u.Scheme+"://"+u.Host+u.EscapedPath(), maxURL)
}
