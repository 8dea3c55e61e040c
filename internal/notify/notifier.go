package notify

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Result is what became of what was told.
type Result string

// The results.
const (
	Sent    Result = "sent"
	Failed  Result = "failed"  // it did not arrive, and is not tried again
	Dropped Result = "dropped" // too much waited
)

// Results are all results.
func Results() []Result { return []Result{Sent, Failed, Dropped} }

// Options of a Notifier. URL and Logger are required.
type Options struct {
	// URL is where to post, asked each time; empty: nowhere.
	URL func() string
	// From begins each message: which grantd this is.
	From   string
	Logger *slog.Logger
	// OnResult is told what became of how many events.
	OnResult func(Result, int)
	// Transport is of the posts; nil: one of its own.
	Transport http.RoundTripper
}

// Notifier posts what it is told. Tell may be called concurrently, and by
// whoever is in a hurry.
type Notifier struct {
	o    Options
	http *http.Client
	wake chan struct{}
	kick chan struct{} // the address may be another one

	mu sync.Mutex
	p  *pending

	// Owned by Run:
	failing bool      // the newest message did not arrive
	next    time.Time // of the next post
}

const (
	// every is how long a post waits for the one before.
	every = 5 * time.Second
	// tries is how often a message is posted until it arrives, waiting
	// retryMin after the first time and twice as long after each further one.
	tries, retryMin = 5, 2 * time.Second
	// grace is what is left of the time when grantd stops.
	grace = time.Second
)

// New returns a Notifier; Run posts what it is told.
func New(o Options) *Notifier {
	if o.OnResult == nil {
		o.OnResult = func(Result, int) {}
	}
	n := &Notifier{o: o, http: newClient(o.Transport), wake: make(chan struct{}, 1), kick: make(chan struct{}, 1)}
	n.p = newPending(func(k int) { o.OnResult(Dropped, k) })
	return n
}

// On reports whether there is anywhere to post.
func (n *Notifier) On() bool { return n.o.URL() != "" }

// Tell takes an event to be told soon, unless the same was told lately or there
// is nowhere to post. It does not block.
func (n *Notifier) Tell(e Event) {
	if !n.On() {
		return
	}
	n.mu.Lock()
	taken := n.p.add(e, time.Now())
	n.mu.Unlock()
	if taken {
		signal(n.wake)
	}
}

// Changed makes what waits after a failure go at once, perhaps elsewhere: the
// configuration was read again.
func (n *Notifier) Changed() { signal(n.kick) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run posts until ctx ends, and then what waits, within a second or never.
func (n *Notifier) Run(ctx context.Context) {
	posting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	var held message
	for n.await(ctx) {
		n.mu.Lock()
		m := n.p.take(time.Now(), false)
		n.mu.Unlock()
		if held = n.deliver(ctx, posting, m); len(held.lines) > 0 {
			break // ctx ended
		}
		n.next = time.Now().Add(every)
	}
	n.finish(posting, held)
}

// await waits until something is to be posted, false when ctx ends before.
func (n *Notifier) await(ctx context.Context) bool {
	for {
		n.mu.Lock()
		due, any := n.p.due()
		n.mu.Unlock()
		var timer <-chan time.Time
		if any {
			timer = time.After(max(time.Until(due), time.Until(n.next)))
		}
		select {
		case <-ctx.Done():
			return false
		case <-timer:
			return true
		case <-n.wake:
		case <-n.kick:
		}
	}
}

// deliver posts a message until it arrives, is given up or ctx ends; that it
// then returns.
func (n *Notifier) deliver(ctx, posting context.Context, m message) message {
	for try, wait := 1, retryMin; len(m.lines) > 0; try, wait = try+1, 2*wait {
		address := n.o.URL()
		if address == "" { // not any more
			return message{}
		}
		f := post(posting, n.http, address, m.text(n.o.From))
		switch {
		case f == nil:
			n.arrived(m)
			return message{}
		case ctx.Err() != nil:
			return m
		case !f.again || try == tries:
			n.lost(m, f)
			return message{}
		}
		select {
		case <-ctx.Done():
			return m
		case <-n.kick:
			try, wait = 0, retryMin/2
		case <-time.After(max(wait, f.after)):
		}
	}
	return message{}
}

// finish posts what is left, in one message.
func (n *Notifier) finish(posting context.Context, m message) {
	n.mu.Lock()
	rest := n.p.rest(time.Now())
	n.mu.Unlock()
	m.lines, m.left = append(m.lines, rest.lines...), m.left+rest.left
	address := n.o.URL()
	if len(m.lines) == 0 || address == "" {
		return
	}
	if f := post(posting, n.http, address, m.text(n.o.From)); f != nil {
		n.lost(m, f)
		return
	}
	n.arrived(m)
}

func (n *Notifier) arrived(m message) {
	n.o.OnResult(Sent, m.events())
	if n.failing {
		n.o.Logger.Info("notifications arrive again")
	}
	n.failing = false
}

// lost says once that notifications do not arrive, and not for each of them.
func (n *Notifier) lost(m message, f *failure) {
	n.o.OnResult(Failed, m.events())
	if !n.failing {
		n.o.Logger.Warn("notifications do not arrive at GRANTD_NOTIFY_URL", "why", f.what, "try", "grantd notify --test")
	}
	n.failing = true
}
