package auth0

import (
	"context"
	"crypto/sha256"
	"net/url"
	"strings"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// wireLogStream is all that is read of a stream: sinks hold secrets.
// https://auth0.com/docs/api/management/v2/log-streams/get-log-streams
type wireLogStream struct {
	ID      string   `json:"id"`
	Name    text     `json:"name"`
	Type    text     `json:"type"`
	Status  text     `json:"status"`
	Sink    wireSink `json:"sink"`
	Filters []struct {
		Name text `json:"name"`
	} `json:"filters"`
	PII struct {
		Fields []text `json:"log_fields"`
	} `json:"pii_config"`
}

type wireSink struct {
	Endpoint      text `json:"httpEndpoint"`
	Format        text `json:"httpContentFormat"`
	Authorization text `json:"httpAuthorization"`
	Headers       []struct {
		Header text `json:"header"`
		Value  text `json:"value"`
	} `json:"httpCustomHeaders"`
}

// most of a stream's lists is read of each; real ones have a dozen entries.
const most = 50

// LogStreams lists the tenant's log streams. It can be done without: where
// read:log_streams is missing no token is spent on that. Entries that cannot be
// read are left out.
func (c *Client) LogStreams(ctx context.Context) ([]dcr.LogStream, error) {
	body, err := c.get(ctx, opListLogStreams, "/log-streams", nil)
	if err != nil {
		return nil, err
	}
	items, err := array(opListLogStreams, body)
	if err != nil {
		return nil, err
	}
	return translate(items, func(w *wireLogStream) (dcr.LogStream, bool) {
		s := dcr.LogStream{
			ID: w.ID, Name: display.Line(string(w.Name), maxMessage),
			Type: display.Line(string(w.Type), maxCode), Status: display.Line(string(w.Status), maxCode),
		}
		if s.Type != "http" {
			return s, validID(w.ID)
		}
		s.Endpoint = bareURL(string(w.Sink.Endpoint))
		s.ContentFormat = display.Line(string(w.Sink.Format), maxCode)
		s.Credentials = w.Sink.sums()
		for _, f := range w.Filters[:min(len(w.Filters), most)] {
			s.Filters = append(s.Filters, display.Line(string(f.Name), maxCode))
		}
		for _, f := range w.PII.Fields[:min(len(w.PII.Fields), most)] {
			s.Masked = append(s.Masked, display.Line(string(f), maxCode))
		}
		return s, validID(w.ID)
	}), nil
}

// sums are of what a delivery shows as its secret, as the webhook reads it.
func (s wireSink) sums() [][sha256.Size]byte {
	var sums [][sha256.Size]byte
	add := func(secret string) {
		if secret != "" {
			sums = append(sums, sha256.Sum256([]byte(secret)))
		}
	}
	token := func(v string) {
		if scheme, rest, _ := strings.Cut(v, " "); strings.EqualFold(scheme, "Bearer") {
			v = strings.TrimSpace(rest)
		}
		add(v)
	}
	token(string(s.Authorization))
	for _, h := range s.Headers[:min(len(s.Headers), most)] {
		switch {
		case strings.EqualFold(string(h.Header), "X-Webhook-Secret"):
			add(string(h.Value))
		case strings.EqualFold(string(h.Header), "Authorization"):
			token(string(h.Value))
		}
	}
	return sums
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
	return display.Line(u.Scheme+"://"+u.Host+u.EscapedPath(), maxURL)
}
