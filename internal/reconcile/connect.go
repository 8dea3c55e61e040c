package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/failpoint"
)

const (
	// maxEnable is how many clients one PATCH /connections/{id}/clients takes.
	maxEnable = 50
	// linger is how long a batch waits for clients that are on their way, and
	// backgroundLinger how long one does that nobody waits for.
	linger, backgroundLinger = 20 * time.Millisecond, 250 * time.Millisecond
)

// enabler gathers clients that need a connection at about the same time into
// one call. A batch is sent when it is full or after linger, and an urgent one
// also when no other client is on its way: then a lone client does not wait.
type enabler struct {
	tenant Connector
	log    *slog.Logger
	newID  func() string
	now    func() time.Time

	mu     sync.Mutex
	coming int // clients that may yet need a connection
	open   map[string]*batch
}

// batch is the clients of one call. Its fields are guarded by the enabler's
// mutex until done is closed, and read-only from then on.
type batch struct {
	connectionID string
	ids          []string
	may          map[string]func(context.Context) error // whether a client may still be written to
	class        dcr.Class                              // urgent as soon as one of the clients is
	waiting      int
	ctx          context.Context
	cancel       context.CancelFunc
	timer        *time.Timer
	done         chan struct{}
	results      map[string]enabled
}

type enabled struct {
	correlationID string
	at            time.Time
	err           error
}

func newEnabler(t Connector, log *slog.Logger, newID func() string, now func() time.Time) *enabler {
	return &enabler{tenant: t, log: log, newID: newID, now: now, open: map[string]*batch{}}
}

// expect announces a client that may need a connection. The returned function
// says that it needs none any more; calling it again does nothing.
func (e *enabler) expect() (pass func()) {
	e.mu.Lock()
	e.coming++
	e.mu.Unlock()
	return sync.OnceFunc(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.coming--
		e.sendIfAlone()
	})
}

// sendIfAlone sends what waits when nobody else is on the way. The caller
// holds the mutex.
func (e *enabler) sendIfAlone() {
	if e.coming > 0 {
		return
	}
	for _, b := range e.open {
		if b.class == dcr.Urgent {
			e.send(b)
		}
	}
}

// enable enables connections for the client, each in one call with others, and
// returns what came of each. pass is the client's own, from expect: by it the
// client stops being expected only once it waits. may is asked right before the
// call, and with its error the client is left out.
func (e *enabler) enable(
	ctx context.Context, connectionIDs []string, clientID string, class dcr.Class, pass func(), may func(context.Context) error,
) []enabled {
	batches := make([]*batch, len(connectionIDs))
	for i, id := range connectionIDs {
		batches[i] = e.join(ctx, id, clientID, class, may)
	}
	pass()
	results := make([]enabled, len(batches))
	for i, b := range batches {
		select {
		case <-b.done:
			results[i] = b.results[clientID]
		case <-ctx.Done():
			e.leave(b, clientID)
			results[i].err = ctx.Err()
		}
	}
	return results
}

// leave takes a client out of its batch. What was sent already goes on for the
// others, and ends when nobody wants it any more.
func (e *enabler) leave(b *batch, clientID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	unsent := e.open[b.connectionID] == b
	if unsent {
		b.ids = slices.DeleteFunc(b.ids, func(id string) bool { return id == clientID })
	}
	if b.waiting--; b.waiting > 0 {
		return
	}
	if unsent { // nobody may join what is about to be cancelled
		delete(e.open, b.connectionID)
		b.timer.Stop()
	}
	b.cancel()
}

func (e *enabler) join(ctx context.Context, connectionID, clientID string, class dcr.Class, may func(context.Context) error) *batch {
	if class != dcr.Background {
		class = dcr.Urgent
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.open[connectionID]
	if b == nil {
		b = &batch{
			connectionID: connectionID, class: class, done: make(chan struct{}), results: map[string]enabled{},
			may: map[string]func(context.Context) error{},
		}
		// The call serves them all, so one client's end must not end it.
		b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
		wait := backgroundLinger
		if class == dcr.Urgent {
			wait = linger
		}
		b.timer = time.AfterFunc(wait, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.send(b)
		})
		e.open[connectionID] = b
	}
	b.ids = append(b.ids, clientID)
	b.may[clientID] = may
	b.waiting++
	if class == dcr.Urgent && b.class != dcr.Urgent {
		b.class = class
		b.timer.Reset(linger)
	}
	if len(b.ids) == maxEnable {
		e.send(b)
	}
	e.sendIfAlone()
	return b
}

// send closes the batch and makes its call. The caller holds the mutex.
func (e *enabler) send(b *batch) {
	if e.open[b.connectionID] != b {
		return // sent already
	}
	delete(e.open, b.connectionID)
	b.timer.Stop()
	ctx := auth0.WithCall(b.ctx, b.class, "")
	go func() {
		defer b.cancel()
		defer close(b.done)
		if err := contain(e.log, func() error { e.call(ctx, b, b.ids); return nil }); err != nil {
			e.failed(b, err)
		}
	}()
}

// failed gives err to the clients of the batch that have no result.
func (e *enabler) failed(b *batch, err error) {
	for _, c := range b.ids {
		if _, ok := b.results[c]; !ok {
			b.results[c] = enabled{err: err}
		}
	}
}

// errFewer says that a client of the call may not be written to any more.
var errFewer = errors.New("a client is left out")

// call enables ids; when Auth0 refuses the lot it halves them, so that one bad
// client, deleted meanwhile say, does not stand in the way of the others.
func (e *enabler) call(ctx context.Context, b *batch, ids []string) {
	if ids = b.free(ctx, ids); len(ids) == 0 {
		return
	}
	id := e.newID()
	err := e.tenant.EnableConnection(auth0.WithGate(ctx, func(ctx context.Context) error {
		if len(b.free(ctx, ids)) < len(ids) {
			return errFewer
		}
		return nil
	}), id, b.connectionID, ids)
	if errors.Is(err, errFewer) {
		e.call(ctx, b, ids)
		return
	}
	if err != nil && len(ids) > 1 && refusal(err) {
		e.call(ctx, b, ids[:len(ids)/2])
		e.call(ctx, b, ids[len(ids)/2:])
		return
	}
	if err == nil {
		failpoint.Hit("reconcile.connected")
	}
	for _, c := range ids {
		b.results[c] = enabled{correlationID: id, at: e.now(), err: err}
	}
}

// free are those of ids that may still be written to. The others have their
// result, and that stays.
func (b *batch) free(ctx context.Context, ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		if _, out := b.results[id]; out {
			return true
		}
		err := b.may[id](ctx)
		if err != nil {
			b.results[id] = enabled{err: err}
		}
		return err != nil
	})
}

// refusal reports whether Auth0 refused the clients of a call, rather than the
// call as such.
func refusal(err error) bool {
	switch reasonOf(err) {
	case dcr.RejectedByAuth0, dcr.ChangedMeanwhile:
		return !noSuchConnection(err)
	default:
		return false
	}
}
