package budget

import (
	"slices"
	"time"

	"grantd/internal/dcr"
)

// patience is how long a background call waits behind urgent ones before it
// takes its turn among them, without leaving a reserve.
const patience = 30 * time.Second

// waiter is a call that waits for its turn.
type waiter struct {
	call  Call
	since time.Time
	ready chan *Ticket // receives once, buffered
}

// line is the calls of one source, oldest first, or the one background call
// whose patience has run out.
type line struct {
	source  string
	patient bool
	waiters []*waiter
}

// queue holds the waiters. The urgent lines stand in the order of their turn.
type queue struct {
	urgent     []*line
	background []*waiter
}

func (q *queue) empty() bool { return len(q.urgent) == 0 && len(q.background) == 0 }

// counts is how many wait.
func (q *queue) counts() (urgent, background int) {
	background = len(q.background)
	for _, l := range q.urgent {
		if l.patient {
			background += len(l.waiters)
		} else {
			urgent += len(l.waiters)
		}
	}
	return urgent, background
}

// push adds a waiter at the end of its line. A new line takes its turn last.
func (q *queue) push(w *waiter) {
	if w.call.Class == dcr.Background {
		q.background = append(q.background, w)
		return
	}
	for _, l := range q.urgent {
		if l.source == w.call.Source && !l.patient {
			l.waiters = append(l.waiters, w)
			return
		}
	}
	q.urgent = append(q.urgent, &line{source: w.call.Source, waiters: []*waiter{w}})
}

// remove takes a waiter out and reports whether it was still there.
func (q *queue) remove(w *waiter) bool {
	if i := slices.Index(q.background, w); i >= 0 {
		q.background = slices.Delete(q.background, i, i+1)
		return true
	}
	for i, l := range q.urgent {
		if j := slices.Index(l.waiters, w); j >= 0 {
			q.take(i, j)
			return true
		}
	}
	return false
}

// take removes waiter j of line i; what is left of the line goes to the end.
func (q *queue) take(i, j int) *waiter {
	l := q.urgent[i]
	w := l.waiters[j]
	l.waiters = slices.Delete(l.waiters, j, j+1)
	q.urgent = slices.Delete(q.urgent, i, i+1)
	if len(l.waiters) > 0 {
		q.urgent = append(q.urgent, l)
	}
	return w
}

// promote lets the oldest background call stand among the urgent ones when its
// patience has run out. One at a time: they are one more source, not many.
func (q *queue) promote(now time.Time) {
	if len(q.urgent) == 0 || len(q.background) == 0 || now.Sub(q.background[0].since) < patience {
		return
	}
	if slices.ContainsFunc(q.urgent, func(l *line) bool { return l.patient }) {
		return
	}
	q.urgent = append(q.urgent, &line{patient: true, waiters: []*waiter{q.background[0]}})
	q.background = slices.Delete(q.background, 0, 1)
}

// next takes out the waiter whose turn it is among those that may go, nil if
// none may. A background call goes only when no urgent one waits for the same
// group, or for any group if the groups are shared.
func (q *queue) next(now time.Time, shared bool, may func(g Group, background bool) bool) *waiter {
	q.promote(now)

	var asked, wanted [groups]bool // a group that may not go is asked once
	for i, l := range q.urgent {
		for j, w := range l.waiters {
			g := w.call.Group
			wanted[g] = true
			if asked[g] {
				continue
			}
			asked[g] = true
			if may(g, false) {
				return q.take(i, j)
			}
		}
	}

	if shared && len(q.urgent) > 0 {
		return nil
	}
	for i, w := range q.background {
		g := w.call.Group
		if wanted[g] || asked[g] {
			continue
		}
		asked[g] = true
		if may(g, true) {
			q.background = slices.Delete(q.background, i, i+1)
			return w
		}
	}
	return nil
}
