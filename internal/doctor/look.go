package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/display"
)

const (
	// maxCalls are the Management API calls that a look may cost.
	maxCalls = 20
	// maxConnections and maxDocuments are looked at by name, a call each.
	maxConnections, maxDocuments = 4, 3
	// atOnce are the calls under way at the same time.
	atOnce = 8
	// longest is how long a look may take; with the slowest rate limit it is 10 s.
	longest = 2 * time.Minute
)

// errEnough ends a look that would cost too many calls.
var errEnough = fmt.Errorf("doctor makes no more than %d calls", maxCalls)

// Access is the way into a tenant.
type Access interface {
	JWKS(context.Context) error
	Token(context.Context) (auth0.TokenStatus, error)
	Renew(context.Context) error
	Noticed() auth0.Noticed
}

// Configuration is how a tenant is set up.
type Configuration interface {
	TenantSettings(context.Context) (dcr.TenantSettings, error)
	API(ctx context.Context, identifier string) (dcr.API, error)
	Connection(ctx context.Context, name string) (dcr.Connection, error)
	LogStreams(context.Context) ([]dcr.LogStream, error)
	ActiveRules(context.Context) ([]string, error)
	ActiveExchangeHooks(context.Context) ([]string, error)
	Organizations(context.Context) (found []auth0.Organization, more bool, err error)
}

// Contents are the clients and grants that a tenant has.
type Contents interface {
	ManagementGrant(ctx context.Context, clientID, audience string) (dcr.Grant, bool, error)
	DefaultGrants(ctx context.Context, audience string) ([]dcr.Grant, error)
	UserGrants(ctx context.Context, audience, from string) (auth0.GrantPage, error)
	ApplicationTotal(context.Context) (int, error)
	GrantTotal(context.Context) (int, error)
	Documented(ctx context.Context, url string) (bool, error)
}

// Tenant is what is looked at. All of it only reads.
type Tenant interface {
	Access
	Configuration
	Contents
}

// Look looks at everything, with at most 20 Management API calls. It fails if
// the tenant cannot be reached, or ctx ends. Of a tenant that leaves its first
// calls without an answer it asks no more.
//
// A token keeps the scopes of when it was issued, so one that lacks a scope, or
// has one too many, is held against the grant, and another is fetched only if the
// grant differs or cannot be read. Not so with KeepToken.
func Look(ctx context.Context, t Tenant, o Options) (Facts, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	f := Facts{Options: o, CheckedAt: o.Now()}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { f.lookBeside(ctx) })
	asking, stop := context.WithCancel(ctx)
	defer stop()
	p := &patience{stop: stop}
	var calls atomic.Int64
	asking = auth0.WithGate(asking, func(context.Context) error {
		if calls.Add(1) > maxCalls {
			return errEnough
		}
		return nil
	})
	err := f.enter(asking, t, p)
	switch {
	case err != nil, f.NotTenant != "", f.Refused != "":
	case p.gone():
		err = errSilent
	default:
		f.lookInside(asking, t, p)
		err = f.reached()
	}
	beside.Wait()
	if err != nil {
		return Facts{}, fmt.Errorf("look at %s: %w", o.Domain, p.tell(err))
	}
	f.Calls = int(min(calls.Load(), maxCalls))
	f.Noticed = t.Noticed()
	if o.Burst != nil {
		f.LargestLimit = o.Burst()
	}
	f.Took = o.Now().Sub(f.CheckedAt)
	return f, nil
}

// enter gets the token, or learns why there is none.
func (f *Facts) enter(ctx context.Context, t Tenant, p *patience) error {
	keys := p.outside(t.JWKS(ctx))
	if e, ok := errors.AsType[*auth0.Error](keys); ok && notATenant(e) {
		f.NotTenant = brief(keys)
		return nil
	}
	s, err := t.Token(ctx)
	none := p.outside(err)
	renew := err != nil || !s.OK || !f.KeepToken && f.disputed(s.Scopes) && !f.asGranted(ctx, t, p, s.Scopes)
	if renew && !p.gone() {
		err = p.outside(t.Renew(ctx))
		s, none = t.Token(ctx) // the old one may serve
	}
	switch e, ok := errors.AsType[*auth0.Error](err); {
	case ok && e.Reason == dcr.TokenRefused:
		f.Refused = brief(err)
	case none != nil && keys != nil:
		return keys // it says more of why
	case none != nil:
		return none
	case !f.ownRead:
		f.Granted, f.GrantedOK = s.Scopes, s.Scopes != nil
	}
	return nil
}

// lookOwn reads what grantd's application is granted: its token is of before.
func (f *Facts) lookOwn(ctx context.Context, t Tenant, p *patience) {
	own, ok, err := t.ManagementGrant(ctx, f.ClientID, "https://"+f.Domain+"/api/v2/")
	if p.note(err) == nil && ok {
		f.Granted, f.GrantedOK, f.ownRead = slices.Sorted(slices.Values(own.Scopes)), true, true
	}
}

// asGranted reports whether a token, whose scopes are sorted, holds what a new
// one would.
func (f *Facts) asGranted(ctx context.Context, t Tenant, p *patience, scopes []string) bool {
	if slices.Contains(scopes, "read:client_grants") {
		f.lookOwn(ctx, t, p)
	}
	return f.ownRead && slices.Equal(scopes, f.Granted)
}

// notATenant reports whether an answer instead of signing keys shows that the
// domain is no tenant's.
func notATenant(e *auth0.Error) bool {
	switch e.Reason {
	case dcr.RejectedByAuth0, dcr.BadResponse, dcr.Unauthorized:
		return true
	}
	return false
}

// disputed reports whether there would be something to say of these scopes.
func (f *Facts) disputed(granted []string) bool {
	if granted == nil {
		return true
	}
	missing, unneeded, harmful := f.judgeScopes(granted)
	lacking := slices.ContainsFunc(LookScopes(), func(s string) bool { return !slices.Contains(granted, s) })
	return len(missing)+len(unneeded)+len(harmful) > 0 || lacking
}

// lookInside asks the Management API.
func (f *Facts) lookInside(ctx context.Context, t Tenant, p *patience) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	look := func(run func()) { g.Go(func() error { run(); return nil }) }
	f.Connected = make([]Answer[dcr.Connection], min(len(f.Connections), maxConnections))
	f.Registered = make([]Answer[bool], min(len(f.Documents), maxDocuments))
	look(func() { f.lookGrants(ctx, t, p) })
	look(func() { f.Settings = answer(t.TenantSettings(ctx)).noted(p) })
	look(func() { f.lookAPI(ctx, t, p) })
	for i := range f.Connected {
		look(func() { f.Connected[i] = answer(t.Connection(ctx, f.Connections[i])).noted(p) })
	}
	look(func() { f.Streams = answer(t.LogStreams(ctx)).noted(p) })
	look(func() { f.Rules = answer(t.ActiveRules(ctx)).noted(p) })
	look(func() { f.Hooks = answer(t.ActiveExchangeHooks(ctx)).noted(p) })
	look(func() {
		list, more, err := t.Organizations(ctx)
		f.Organizations = answer(Part[auth0.Organization]{list, more}, err).noted(p)
	})
	look(func() { f.ClientCount = answer(t.ApplicationTotal(ctx)).noted(p) })
	look(func() { f.GrantCount = answer(t.GrantTotal(ctx)).noted(p) })
	_ = g.Wait() // what fails is in its answer
	f.lookDocuments(ctx, t, p)
}

// lookGrants asks for one list after another: the first finds out whether Auth0
// pages them by cursor, which costs a call where it does not.
func (f *Facts) lookGrants(ctx context.Context, t Tenant, p *patience) {
	if !f.ownRead {
		f.lookOwn(ctx, t, p)
	}
	f.Defaults = answer(t.DefaultGrants(ctx, f.Audience)).noted(p)
	page, err := t.UserGrants(ctx, f.Audience, "")
	f.Grants = answer(Part[dcr.Grant]{page.Grants, page.Next != "" || page.Capped}, err).noted(p)
}

// lookDocuments asks for documents only where the tenant advertises them, and
// last: should there be a call too many, it is for one of these.
func (f *Facts) lookDocuments(ctx context.Context, t Tenant, p *patience) {
	if !f.Settings.Value.CIMD {
		return
	}
	for i := range f.Registered {
		f.Registered[i] = answer(t.Documented(ctx, f.Documents[i].URL)).noted(p)
	}
}

// lookAPI looks for the one that was probably meant where there is none.
func (f *Facts) lookAPI(ctx context.Context, t Tenant, p *patience) {
	f.API = answer(t.API(ctx, f.Audience)).noted(p)
	if !errors.Is(f.API.Err, auth0.ErrNotFound) {
		return
	}
	sibling := f.Audience + "/"
	if bare, ok := strings.CutSuffix(f.Audience, "/"); ok {
		sibling = bare
	}
	if _, err := t.API(ctx, sibling); p.note(err) == nil {
		f.Sibling = sibling
	}
}

// reached fails if no call came through: nothing was looked at then.
func (f *Facts) reached() error {
	var failed error
	for _, l := range f.looks() {
		e, ok := errors.AsType[*auth0.Error](l.err)
		switch {
		case l.err == nil, ok && e.Reason == dcr.MissingScope:
			return nil
		case ok && (e.Reason == dcr.Unauthorized || e.Reason == dcr.TokenRefused): // the token at hand, and a new one
			f.Refused = brief(l.err)
		}
		failed = l.err
	}
	if f.Refused != "" {
		return nil
	}
	return failed
}

func answer[T any](v T, err error) Answer[T] { return Answer[T]{v, err, true} }

// noted is the answer of a call that p takes up.
func (a Answer[T]) noted(p *patience) Answer[T] {
	a.Err = p.note(a.Err)
	return a
}

// brief is an error in a line.
func brief(err error) string { return display.Line(err.Error(), 300) }
