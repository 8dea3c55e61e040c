package auth0

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	clientgrants "github.com/auth0/go-auth0/v3/management/clientgrants/client"
	clients "github.com/auth0/go-auth0/v3/management/clients/client"
	connections "github.com/auth0/go-auth0/v3/management/connections/client"
	"github.com/auth0/go-auth0/v3/management/core"
	"github.com/auth0/go-auth0/v3/management/option"
	"github.com/auth0/go-auth0/v3/management/resourceservers"

	"grantd/internal/budget"
	"grantd/internal/dcr"
	"grantd/internal/display"
)

// Options configure a Client. Domain, ClientID and ClientSecret are required.
type Options struct {
	Domain       string // the tenant's canonical domain, such as acme.us.auth0.com
	BaseURL      string // of /api/v2, /oauth/token and JWKS; https://Domain when empty
	ClientID     string
	ClientSecret string
	// Token is a token of a person, used instead of ClientID and ClientSecret:
	// none is ever fetched or kept, and when it is refused so is the call.
	Token     string
	TokenFile string   // keeps the token across restarts; empty: nothing does
	Scopes    []string // Management API scopes that are needed: a kept token lacking one is renewed once

	Budget    *budget.Budget    // one of its own when nil
	Transport http.RoundTripper // one of its own when nil
	Timeout   time.Duration     // of one request; 10 s when 0
	UserAgent string

	OnCall        func(CallInfo) // after every HTTP request; must not block
	OnTokenChange func()         // calls that failed for want of a token or scope may succeed now; must not block

	OnDefect func(error) // a panic was contained; the text has its stack

	RetryMin, RetryMax time.Duration    // waits while tokens are refused or lack a scope; 5 s and 1 h when 0
	Now                func() time.Time // time.Now when nil
}

const (
	defaultTimeout        = 10 * time.Second
	retryMin, retryMax    = 5 * time.Second, time.Hour
	briefMin, briefMax    = time.Second, 30 * time.Second
	tokenPath             = "/oauth/token"
	apiPath               = "/api/v2"
	correlationHeader     = "X-Correlation-ID"
	maxCorrelationID      = 64
	connectionClientLimit = 50 // clients that one PATCH takes
)

// Client is the Management API of one tenant. It is safe for concurrent use.
// Every method's error is an *Error; the context bounds all waits.
type Client struct {
	base       string
	transport  *transport
	guard      *guard
	operations map[string]operation

	clients     *clients.Client
	grants      *clientgrants.Client
	connections *connections.Client
	apis        *resourceservers.Client

	// Whether Auth0 was found to list them by offset only.
	clientsByOffset, grantsByOffset atomic.Bool
}

// New returns a Client. It makes no call. Close ends it.
func New(o Options) (*Client, error) {
	if o.Domain == "" || o.Token == "" && (o.ClientID == "" || o.ClientSecret == "") {
		return nil, errors.New("domain, client id and client secret are required")
	}
	given, err := givenToken(o.Token)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(o.BaseURL, "/")
	if base == "" {
		base = "https://" + o.Domain
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("base URL is not a plain http or https URL")
	}
	o = withDefaults(o)

	t := &transport{
		http: newHTTPClient(o.Transport), budget: o.Budget, timeout: o.Timeout,
		agent: o.UserAgent, onCall: o.OnCall, now: o.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.guard = &guard{
		issue:    issuer{transport: t, url: base + tokenPath, audience: "https://" + o.Domain + apiPath + "/"}.fetch,
		file:     tokenFile{path: o.TokenFile, domain: o.Domain},
		needs:    slices.Clone(o.Scopes),
		retry:    backoff{o.RetryMin, o.RetryMax},
		brief:    backoff{briefMin, briefMax},
		timeout:  o.Timeout,
		now:      o.Now,
		onChange: o.OnTokenChange,
		onDefect: o.OnDefect,
		ctx:      ctx,
		cancel:   cancel,
		kick:     make(chan struct{}, 1),
		creds:    credentials{o.ClientID, o.ClientSecret},
		missing:  map[string]bool{},
	}
	if o.Token != "" {
		t.guard.given, t.guard.tok, t.guard.creds = true, given, credentials{}
	}
	// The parts that are used are made singly: the SDK's own constructor
	// brings every part there is.
	opts := core.NewRequestOptions(
		option.WithBaseURL(base+apiPath),
		option.WithHTTPClient(t),
		option.WithMaxAttempts(1),
		option.WithoutRetries(),
	)
	return &Client{
		base: base, transport: t, guard: t.guard, operations: operations(),
		clients:     clients.NewClient(opts),
		grants:      clientgrants.NewClient(opts),
		connections: connections.NewClient(opts),
		apis:        resourceservers.NewClient(opts),
	}, nil
}

func withDefaults(o Options) Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budget == nil {
		o.Budget = budget.New(budget.Options{Now: o.Now})
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.OnDefect == nil {
		o.OnDefect = func(error) {}
	}
	if o.RetryMin <= 0 {
		o.RetryMin = retryMin
	}
	if o.RetryMax <= 0 {
		o.RetryMax = retryMax
	}
	return o
}

// Run asks for a token again from time to time while tokens are refused or
// lack a scope, so that OnTokenChange is called without a call being made. It
// returns when the context ends.
func (c *Client) Run(ctx context.Context) { c.guard.run(ctx) }

// Renew fetches a token at once, whatever the guard's waits.
func (c *Client) Renew(ctx context.Context) error { return c.guard.renew(ctx) }

// Token makes sure that there is a token, fetching one only if need be, and says
// how it stands.
func (c *Client) Token(ctx context.Context) (TokenStatus, error) {
	_, err := c.guard.current(ctx)
	return c.TokenStatus(), err
}

// SetCredentials changes the application, or its secret, that tokens are asked
// for with. The token at hand serves until the new credentials bring another;
// Renew asks for that at once.
func (c *Client) SetCredentials(clientID, secret string) {
	c.guard.setCredentials(credentials{clientID, secret})
}

// Close ends a token request under way. Calls after it fail for want of a
// token once the present one has expired.
func (c *Client) Close() { c.guard.close() }

// TokenStatus is how the token stands, for health.
type TokenStatus struct {
	OK          bool       // there is a token, it is accepted, and the present credentials brought it
	Reason      dcr.Reason // why there is none: dcr.TokenRefused, dcr.TokenUnavailable, dcr.Unauthorized; empty when OK or not tried
	LastErrorAt time.Time  // zero when it never failed
	NextTryAt   time.Time  // when a refused or lacking token is asked for again; zero when it is not
	ExpiresAt   time.Time
	Scopes      []string // that the token holds; nil when unknown
	CacheErr    error    // why the token could not be kept; nil when it was
}

// TokenStatus returns the present state without any call.
func (c *Client) TokenStatus() TokenStatus {
	g := c.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	s := TokenStatus{
		LastErrorAt: g.failedAt, NextTryAt: g.next,
		ExpiresAt: g.tok.expires, Scopes: slices.Clone(g.tok.scopes), CacheErr: g.fileErr,
	}
	switch {
	case g.failed != nil:
		s.Reason = g.failed.Reason
	case g.rejected > 1:
		s.Reason = dcr.Unauthorized
	default:
		s.OK = g.tok.valid(g.now()) && !g.old
	}
	return s
}

// result makes an *Error of whatever the SDK returned.
func result(op string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return transportError(op, err)
	default:
		return badResponse(op, err)
	}
}

// badResponse is a 2xx whose body is not what it should be.
func badResponse(op string, err error) *Error {
	return &Error{Op: op, Reason: dcr.BadResponse, Message: display.Line(err.Error(), maxMessage), Err: err}
}

// invalid is an argument that must not reach a URL.
func invalid(op, what string) *Error {
	return &Error{Op: op, Reason: dcr.InternalError, Err: fmt.Errorf("invalid %s", what)}
}

// correlation is the request option that marks a write as ours, so that it is
// known again when it comes back as a log entry.
func correlation(id string) option.RequestOption {
	h := http.Header{}
	if id = display.Line(id, maxCorrelationID); id != "" {
		h.Set(correlationHeader, id)
	}
	return option.WithHTTPHeader(h)
}

// validID reports whether s can be the id of a grant, a connection or the
// like: they have the characters of client ids.
func validID(s string) bool { return dcr.ValidClientID(s) }
