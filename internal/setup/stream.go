package setup

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

const (
	// The format of a new one; a JSONARRAY is read as well.
	contentFormat, contentType = "JSONLINES", "application/json"
	// hidden stands in a shown call for the webhook's secret.
	hidden = "[the webhook secret]"
)

// Categories are those of log entries that the daemon has a use for:
// registrations and edits; denials; and logins through a client, which tell when
// one was last used.
func Categories() []string {
	return []string{"management.success", "auth.login.fail", "auth.token_exchange.success"}
}

func filters(names []string) []auth0.StreamFilter {
	all := make([]auth0.StreamFilter, len(names))
	for i, n := range names {
		all[i] = auth0.StreamFilter{Type: "category", Name: n}
	}
	return all
}

func (s State) sink(secret string) *auth0.WebhookSink {
	return &auth0.WebhookSink{Authorization: secret, ContentFormat: contentFormat, ContentType: contentType, Endpoint: s.StreamURL}
}

// stream has the log sent to the daemon. Without a public address there is none.
func (s State) stream() []Action {
	if s.StreamURL == "" {
		return nil
	}
	for _, w := range s.Webhooks {
		if w.Endpoint == s.StreamURL {
			return []Action{s.mendStream(w)}
		}
	}
	// One that moved is known by its secret. Where the secret is another, it is
	// another daemon's.
	for _, w := range s.Webhooks {
		if w.Sends && pathOf(w.Endpoint) == pathOf(s.StreamURL) {
			return []Action{s.mendStream(w)}
		}
	}
	return []Action{s.newStream()}
}

// pathOf is the path of a web address.
func pathOf(endpoint string) string {
	_, rest, _ := strings.Cut(endpoint, "://")
	_, path, _ := strings.Cut(rest, "/")
	return path
}

const whyStream = "Auth0 then tells grantd of a registration within a second or so. Without it grantd finds it by looking, every 15 seconds."

func (s State) newStream() Action {
	body := func(secret string) auth0.WebhookBody {
		return auth0.WebhookBody{Name: "grantd", Type: "http", Sink: s.sink(secret), Filters: filters(Categories())}
	}
	return Action{
		Kind: Stream, Status: Todo, Title: "Create a log stream to " + s.StreamURL, Why: whyStream,
		Calls:  []Call{{"POST", base + "/log-streams", body(hidden)}},
		Scopes: []string{"create:log_streams"}, Needs: EnvFile,
		do: func(ctx context.Context, d Doer) error { return d.Tenant.CreateWebhook(ctx, d.ID, body(d.Secret)) },
	}
}

// mendStream changes what is wrong and nothing else. A sink is replaced whole.
func (s State) mendStream(w Webhook) Action {
	a := Action{Kind: Stream, Subject: w.ID, Status: Is, Title: "The log stream to " + s.StreamURL + " is as it has to be"}
	var wrong []string
	badSink := false
	check := func(bad bool, what string) bool {
		if bad {
			wrong = append(wrong, what)
		}
		return bad
	}
	badSink = check(w.Endpoint != s.StreamURL, "it delivers to "+w.Endpoint) || badSink
	badSink = check(!w.Sends, "it does not send the configured secret") || badSink
	badSink = check(w.ContentFormat != contentFormat && w.ContentFormat != "JSONARRAY", "its format is not "+contentFormat) || badSink
	badSink = check(!strings.HasPrefix(w.ContentType, contentType), "its content type is not "+contentType) || badSink
	missing := dcr.Without(Categories(), w.Filters)
	narrow := check(len(w.Filters) > 0 && len(missing) > 0, "its filters leave out "+strings.Join(missing, ", "))
	stopped := check(w.Status != "active", "it is "+w.Status)
	if len(wrong) == 0 {
		return a
	}
	body := func(secret string) auth0.WebhookBody {
		var b auth0.WebhookBody
		if badSink {
			b.Sink = s.sink(secret)
			if w.HasHeaders() && secret == hidden {
				b.Sink.Headers = json.RawMessage(`"[as they are]"`)
			}
		}
		if narrow {
			b.Filters = filters(slices.Concat(w.Filters, missing))
		}
		if stopped {
			b.Status = "active"
		}
		return b
	}
	a.Status, a.Title = Todo, "Mend the log stream to "+s.StreamURL
	a.Why = "Now " + strings.Join(wrong, "; ") + ". " + whyStream
	a.Calls = []Call{{"PATCH", base + "/log-streams/" + w.ID, body(hidden)}}
	a.Scopes = []string{"update:log_streams"}
	if !w.Sends {
		a.Needs = EnvFile
	}
	a.do = func(ctx context.Context, d Doer) error {
		return d.Tenant.UpdateWebhook(ctx, d.ID, w.Webhook, body(d.Secret))
	}
	return a
}
