package auth0

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"grantd/internal/dcr"
)

// guard holds the token and decides when to ask for another: before it
// expires, once when a call says 401, once at the start when it lacks a needed
// scope, and, while tokens are refused or lack a scope, after waits that
// double. In between it fails at once.
type guard struct {
	issue    func(context.Context, credentials) (token, *Error)
	file     tokenFile
	needs    []string
	retry    backoff // while refused or lacking a scope
	brief    backoff // while the tenant cannot be asked
	timeout  time.Duration
	now      func() time.Time
	onChange func()
	onDefect func(error)

	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	running sync.WaitGroup
	kick    chan struct{} // tells run that something changed

	given bool // tok is a person's: it is never fetched, renewed or kept

	mu        sync.Mutex
	creds     credentials
	tok       token
	old       bool            // tok was brought by credentials that were replaced since
	opened    bool            // the file was looked at
	checked   bool            // a token lacking a needed scope was tried to be renewed
	failed    *Error          // why the last fetch failed; nil when it succeeded
	failedAt  time.Time       // of the last failure, also when it is over
	refused   bool            // the last word on our credentials was no
	missing   map[string]bool // scopes calls were refused for, alternatives by comma → whether the token claims one
	lackedAt  time.Time       // when a call was last refused so
	attempts  int             // fetches in a row that did not help
	next      time.Time       // no fetch before
	rejected  int             // tokens in a row that a call said 401 to
	rejectEnd time.Time       // no renewal for a 401 before
	fetching  *fetch
	fileErr   error
}

// fetch is a request for a token under way, shared by all who need it.
type fetch struct {
	creds credentials
	done  chan struct{}
	tok   token
	err   *Error
}

// backoff doubles from min to max.
type backoff struct{ min, max time.Duration }

func (b backoff) wait(n int) time.Duration {
	d := b.min
	for ; n > 1 && d < b.max; n-- {
		d *= 2
	}
	return min(d, b.max)
}

// get returns a token that allows the operation.
func (g *guard) get(ctx context.Context, op operation) (token, error) {
	t, err := g.current(ctx)
	if err != nil {
		return token{}, err
	}
	if !t.allows(op.scopes) {
		if !op.optional {
			g.lacks(op.scopes[0])
		}
		return token{}, &Error{
			Op: op.name, Reason: dcr.MissingScope, Scope: op.scopes[0],
			Message: "the Management API token lacks " + op.scopes[0],
		}
	}
	return t, nil
}

// current returns the token, fetching one if need be.
func (g *guard) current(ctx context.Context) (token, error) {
	g.mu.Lock()
	if g.given {
		defer g.mu.Unlock()
		return g.tok, nil
	}
	now := g.now()
	if !g.opened {
		g.opened = true
		if kept, ok := g.file.load(g.creds, now); ok {
			g.tok, g.old = kept, false
		}
	}
	t := g.tok
	lacking := !g.checked && slices.ContainsFunc(g.needs, func(s string) bool { return !t.allows([]string{s}) })
	switch {
	case t.fresh(now) && !lacking && !g.old:
		g.mu.Unlock()
		return t, nil
	case now.Before(g.next):
		failed := g.failed
		g.mu.Unlock()
		if t.valid(now) {
			return t, nil
		}
		if failed == nil {
			failed = unavailable(nil)
		}
		return token{}, failed
	}
	g.checked = true
	f := g.start()
	g.mu.Unlock()

	fetched, err := g.wait(ctx, f)
	if err != nil && t.valid(now) {
		return t, nil
	}
	return fetched, err
}

// renewed returns another token than the one a call said 401 to. It returns the
// same one when it was renewed for that cause too recently.
func (g *guard) renewed(ctx context.Context, t token) (token, error) {
	if g.given {
		return t, nil
	}
	g.mu.Lock()
	now := g.now()
	switch {
	case g.tok.valid(now) && g.tok.value != t.value:
		t = g.tok
		g.mu.Unlock()
		return t, nil
	case g.fetching == nil && now.Before(g.rejectEnd), g.tok.value != t.value && g.failed != nil && now.Before(g.next):
		failed := g.failed
		g.mu.Unlock()
		if failed != nil {
			return token{}, failed
		}
		return t, nil
	}
	if g.fetching == nil {
		g.rejected++
		g.rejectEnd = now.Add(g.retry.wait(g.rejected))
		g.tok = token{}
	}
	f := g.start()
	g.mu.Unlock()
	return g.wait(ctx, f)
}

// accepted notes that a call with the token succeeded.
func (g *guard) accepted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rejected = 0
}

// lacks notes that a call was refused for want of a scope (alternatives
// separated by commas), so that a token is fetched now and then until there is
// one that has it.
func (g *guard) lacks(anyOf string) {
	if g.given {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Sub(g.lackedAt) > 2*g.retry.max {
		g.attempts = 0
	}
	g.lackedAt = now
	if _, known := g.missing[anyOf]; known {
		return
	}
	g.missing[anyOf] = g.tok.scopes != nil && g.tok.allows(strings.Split(anyOf, ","))
	if !now.Before(g.next) {
		g.attempts++
		g.next = now.Add(g.retry.wait(g.attempts))
	}
	g.wake()
}

// start joins or begins a fetch. The caller holds g.mu.
func (g *guard) start() *fetch {
	if g.fetching != nil {
		return g.fetching
	}
	f := &fetch{creds: g.creds, done: make(chan struct{})}
	g.fetching = f
	g.running.Go(func() {
		ctx, cancel := context.WithTimeout(g.ctx, g.timeout)
		defer cancel()
		f.tok, f.err = g.issued(ctx, f.creds)
		changed := g.settle(f)
		close(f.done)
		if changed && g.onChange != nil {
			g.onChange()
		}
	})
	return f
}

// issued asks for a token. A panic on the way is a failure like others, tried
// again after a wait: those who wait for the token must hear of it.
func (g *guard) issued(ctx context.Context, c credentials) (t token, err *Error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = token{}, &Error{Op: opGetToken, Reason: dcr.InternalError, Message: "a defect in grantd; see the log"}
			g.onDefect(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return g.issue(ctx, c)
}

// wait waits for a fetch, which goes on for others if the context ends.
func (g *guard) wait(ctx context.Context, f *fetch) (token, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return token{}, transportError(opGetToken, ctx.Err())
	}
	if f.err != nil {
		return token{}, f.err
	}
	return f.tok, nil
}

// settle takes up what a fetch brought. It reports whether calls that failed
// before may succeed now.
func (g *guard) settle(f *fetch) (changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer g.wake()
	if f.creds != g.creds {
		return false // the credentials were changed meanwhile
	}
	g.fetching = nil
	now := g.now()

	if f.err != nil {
		g.failed, g.failedAt = f.err, now
		g.attempts++
		wait := g.brief.wait(g.attempts)
		if f.err.Reason == dcr.TokenRefused {
			g.refused = true
			wait = g.retry.wait(g.attempts)
		}
		g.next = now.Add(max(wait, f.err.RetryAfter))
		return false
	}

	before := g.tok.scopes
	other := g.tok.value != "" && !slices.Equal(before, f.tok.scopes)
	granted, disputed := false, false
	for anyOf, claimed := range g.missing {
		switch {
		case claimed:
			// Tokens are no evidence here, only the next call is.
			disputed = true
			delete(g.missing, anyOf)
		case f.tok.scopes != nil && f.tok.allows(strings.Split(anyOf, ",")):
			granted = true
			delete(g.missing, anyOf)
		}
	}
	changed = g.refused || other || granted || disputed
	if !disputed && (changed || len(g.missing) == 0) {
		g.attempts = 0
	}
	g.tok, g.old, g.failed, g.refused = f.tok, false, nil, false
	g.next = time.Time{}
	if len(g.missing) > 0 {
		g.attempts++
		g.next = now.Add(g.retry.wait(g.attempts))
	}
	g.fileErr = g.file.save(f.creds, f.tok, now)
	return changed
}

// run fetches a token again when its time comes while tokens are refused or
// lack a scope, until the context ends.
func (g *guard) run(ctx context.Context) {
	for {
		g.mu.Lock()
		var due <-chan time.Time
		var timer *time.Timer
		if (g.failed != nil || len(g.missing) > 0) && g.fetching == nil {
			timer = time.NewTimer(max(g.next.Sub(g.now()), 0))
			due = timer.C
		}
		g.mu.Unlock()

		select {
		case <-ctx.Done():
		case <-g.kick:
		case <-due:
			if f := g.retryDue(); f != nil {
				_, _ = g.wait(ctx, f)
			}
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// retryDue begins a fetch, unless one was made since the timer was set.
func (g *guard) retryDue() *fetch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now().Before(g.next) {
		return nil
	}
	return g.start()
}

// renew fetches a token at once, whatever the waits. A fetch that is under way
// began before whoever asks mended something: when it fails there is another.
func (g *guard) renew(ctx context.Context) error {
	for !g.given {
		g.mu.Lock()
		g.opened, g.checked = true, true
		g.attempts, g.rejected, g.rejectEnd = 0, 0, time.Time{}
		joined := g.fetching != nil
		f := g.start()
		g.mu.Unlock()
		if _, err := g.wait(ctx, f); err == nil || !joined || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// setCredentials changes what tokens are asked for with. The old credentials are
// not used again; the token that they brought serves, as it does while a renewal
// fails, until the new ones bring one: a new secret with a typing error costs
// nothing before that token expires. What else is known of it is forgotten.
func (g *guard) setCredentials(c credentials) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c == g.creds || g.given {
		return
	}
	g.creds, g.fetching, g.failed = c, nil, nil
	g.old, g.opened, g.checked = g.tok.value != "", false, false
	g.attempts, g.next, g.rejected, g.rejectEnd = 0, time.Time{}, 0, time.Time{}
	clear(g.missing)
	g.wake()
}

// wake makes run look again.
func (g *guard) wake() {
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// close ends a fetch under way and waits for it.
func (g *guard) close() {
	g.cancel()
	g.running.Wait()
}
