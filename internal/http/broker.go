package http

import (
	"encoding/json"
	"fmt"
	"sync"

	"grantd/internal/display"
)

// Names of events.
const (
	// EventClient carries a Client whose record was saved.
	EventClient = "client"
	// EventJournal carries a JournalEntry.
	EventJournal = "journal"
)

const (
	// maxSubscribers is how many streams of events there may be.
	maxSubscribers = 64
	// backlog is how many events a reader may be behind before it is dropped.
	backlog = 256
)

// Broker passes events on to whoever listens at the moment. It keeps nothing:
// who connects reads the ledger first. Its methods may be called concurrently.
type Broker struct {
	mu     sync.Mutex
	subs   map[chan []byte]struct{}
	closed bool
}

// NewBroker returns a Broker without subscribers.
func NewBroker() *Broker { return &Broker{subs: map[chan []byte]struct{}{}} }

// Publish passes an event on and never waits: a reader that is too slow is
// disconnected, and finds what it missed in the ledger. The name is of one
// word. Data that cannot be JSON is an error.
func (b *Broker) Publish(event string, data any) error {
	if !b.Wanted() {
		return nil
	}
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("publish event %q: %w", event, err)
	}
	frame := fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, display.JSON(text))
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs {
		select {
		case ch <- frame:
		default:
			b.drop(ch)
		}
	}
	return nil
}

// Close ends all streams, so that the servers can stop.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for ch := range b.subs {
		b.drop(ch)
	}
}

// Wanted reports whether anybody listens.
func (b *Broker) Wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subs) > 0
}

// subscribe returns a channel of events that is closed when there will be no
// more; false when there are too many readers already.
func (b *Broker) subscribe() (<-chan []byte, func(), bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.subs) >= maxSubscribers {
		return nil, nil, false
	}
	ch := make(chan []byte, backlog)
	b.subs[ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.drop(ch)
	}, true
}

// drop ends a subscription, once.
func (b *Broker) drop(ch chan []byte) {
	if _, ok := b.subs[ch]; ok {
		delete(b.subs, ch)
		close(ch)
	}
}
