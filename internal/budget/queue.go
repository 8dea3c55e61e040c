package budget

import (
	"container/list"
	"time"

	"grantd/internal/dcr"
)

// patience is how long background calls stand back for urgent ones before one
// of them takes its turn among those, without leaving a reserve.
const patience = 30 * time.Second

// waiter is a call that waits for its turn.
type waiter struct {
	call  Call
	seq   uint64 // in the order of asking
	since time.Time
	ready chan *Ticket // receives once, buffered

	line *line         // nil among the background calls
	at   *list.Element // its place there; nil once it was taken out
}

// line is the urgent calls of one source by group, oldest first, or the one
// background call whose patience has run out.
type line struct {
	source  string
	waiting [groups]list.List // of *waiter
	count   int
	turn    *list.Element
}

// queue holds the waiters. Nothing it does takes longer the more of them there
// are, but for a search past the sources that wait for another group.
type queue struct {
	seq        uint64
	sources    map[string]*line
	turns      list.List         // of *line, next turn first
	urgent     [groups]int       // calls that wait in lines
	background [groups]list.List // of *waiter, oldest first
	patient    *line             // nil when none is impatient
	served     [groups]time.Time // when a background call last went of itself
}

// counts is how many wait.
func (q *queue) counts() (urgent, background int) {
	for g := range q.background {
		urgent += q.urgent[g]
		background += q.background[g].Len()
	}
	if q.patient != nil {
		return urgent - 1, background + 1
	}
	return urgent, background
}

func (q *queue) empty() bool {
	urgent, background := q.counts()
	return urgent+background == 0
}

// push adds a waiter at the end of its line. A new line takes its turn last.
func (q *queue) push(w *waiter) {
	q.seq++
	w.seq = q.seq
	if w.call.Class == dcr.Background {
		w.at = q.background[w.call.Group].PushBack(w)
		return
	}
	l := q.sources[w.call.Source]
	if l == nil {
		l = &line{source: w.call.Source}
		if q.sources == nil {
			q.sources = map[string]*line{}
		}
		q.sources[l.source] = l
	}
	q.join(l, w)
}

func (q *queue) join(l *line, w *waiter) {
	if l.turn == nil {
		l.turn = q.turns.PushBack(l)
	}
	w.line, w.at = l, l.waiting[w.call.Group].PushBack(w)
	l.count++
	q.urgent[w.call.Group]++
}

// remove takes a waiter out and reports whether it was still there.
func (q *queue) remove(w *waiter) bool {
	if w.at == nil {
		return false
	}
	g, l := w.call.Group, w.line
	if l == nil {
		q.background[g].Remove(w.at)
		w.at = nil
		return true
	}
	l.waiting[g].Remove(w.at)
	w.at = nil
	q.urgent[g]--
	if l.count--; l.count > 0 {
		return true
	}
	q.turns.Remove(l.turn)
	if l == q.patient {
		q.patient = nil
	} else {
		delete(q.sources, l.source)
	}
	return true
}

// hurry puts a background waiter, if it still waits as one, at the end of its
// source's line.
func (q *queue) hurry(w *waiter) {
	if w.at == nil || w.line != nil {
		return
	}
	q.remove(w)
	w.call.Class = dcr.Urgent
	q.push(w)
}

// promote lets the oldest background call stand among the urgent ones when
// none of its group has gone for as long as patience lasts. One at a time: they
// are one more source, not many.
func (q *queue) promote(now time.Time) {
	if q.patient != nil || q.turns.Len() == 0 {
		return
	}
	w := q.oldest(func(w *waiter) bool {
		since := w.since
		if served := q.served[w.call.Group]; served.After(since) {
			since = served
		}
		return now.Sub(since) >= patience
	})
	if w == nil {
		return
	}
	q.remove(w)
	q.patient = &line{}
	q.join(q.patient, w)
}

// oldest is the background call that asked first among the first of each group
// that pass.
func (q *queue) oldest(pass func(*waiter) bool) *waiter {
	var oldest *waiter
	for g := range q.background {
		w := first(&q.background[g])
		if w != nil && (oldest == nil || w.seq < oldest.seq) && pass(w) {
			oldest = w
		}
	}
	return oldest
}

// next takes out the waiter whose turn it is among those that may go, nil if
// none may. A background call goes only when no urgent one waits for the same
// group, or for any group if the groups are shared.
func (q *queue) next(now time.Time, shared bool, may func(g Group, background bool) bool) *waiter {
	q.promote(now)
	if w := q.nextUrgent(may); w != nil {
		q.takeTurn(w)
		return w
	}
	if shared && q.turns.Len() > 0 {
		return nil
	}
	w := q.oldest(func(w *waiter) bool {
		g := w.call.Group
		return q.urgent[g] == 0 && may(g, true)
	})
	if w != nil {
		q.remove(w)
		q.served[w.call.Group] = now
	}
	return w
}

func (q *queue) nextUrgent(may func(g Group, background bool) bool) *waiter {
	var open [groups]bool
	some := false
	for g, n := range q.urgent {
		open[g] = n > 0 && may(Group(g), false)
		some = some || open[g]
	}
	if !some {
		return nil
	}
	for e := q.turns.Front(); e != nil; e = e.Next() {
		l, _ := e.Value.(*line)
		if w := l.oldest(&open); w != nil {
			return w
		}
	}
	return nil
}

// oldest is the call of the line that asked first among those of open groups.
func (l *line) oldest(open *[groups]bool) *waiter {
	var oldest *waiter
	for g := range l.waiting {
		if !open[g] {
			continue
		}
		if w := first(&l.waiting[g]); w != nil && (oldest == nil || w.seq < oldest.seq) {
			oldest = w
		}
	}
	return oldest
}

// takeTurn takes an urgent waiter out. What is left of its line goes last.
func (q *queue) takeTurn(w *waiter) {
	l := w.line
	q.remove(w)
	if l.count > 0 {
		q.turns.MoveToBack(l.turn)
	}
}

func first(l *list.List) *waiter {
	e := l.Front()
	if e == nil {
		return nil
	}
	w, _ := e.Value.(*waiter)
	return w
}
