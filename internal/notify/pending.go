package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/display"
)

const (
	// maxLines is how many lines wait at most, and maxPosted how many of them
	// one message has.
	maxLines, maxPosted = 100, 20
	// maxExamples is how many of a group are named.
	maxExamples = 3
	// window is how long the same is not told again, and maxKnown how many
	// things are known to have been told. Anybody can register clients.
	window, maxKnown = time.Hour, 4096
	// gather is how long the first event waits for others of its kind.
	gather = time.Second
	// gapMin and gapMax are how long a group waits after it was told: longer
	// each time, while it goes on.
	gapMin, gapMax = 10 * time.Second, time.Hour
)

// line is one that waits: of one event, or of a group.
type line struct {
	group, many, one string
	examples         []string
	n                int
	since            time.Time // when the first event came
}

func (l line) String() string {
	if l.n == 1 {
		return display.Cut(l.one, maxLine)
	}
	rest := ""
	if l.n > len(l.examples) {
		rest = fmt.Sprintf(" and %d more", l.n-len(l.examples))
	}
	return display.Cut(fmt.Sprintf("%d %s. Among them: %s%s", l.n, l.many, strings.Join(l.examples, ", "), rest), maxLine)
}

// pace is when a group was told last, and how long it waits since.
type pace struct {
	last time.Time
	gap  time.Duration
}

// pending is what waits to be told.
type pending struct {
	lines   []*line
	left    int                  // events that were left out since the last message
	known   map[string]time.Time // when it was last told, by key
	paces   map[string]pace      // by group; groups are few
	groups  map[string]*line     // those that wait
	dropped func(n int)
}

func newPending(dropped func(int)) *pending {
	return &pending{known: map[string]time.Time{}, paces: map[string]pace{}, groups: map[string]*line{}, dropped: dropped}
}

// add takes an event, unless the same was told lately.
func (p *pending) add(e Event, now time.Time) (taken bool) {
	if e.Key != "" {
		if at, ok := p.known[e.Key]; ok && now.Sub(at).Abs() < window {
			return false
		}
		p.remember(e.Key, now)
	}
	if l := p.groups[e.Group]; e.Group != "" && l != nil {
		l.n++
		if len(l.examples) < maxExamples {
			l.examples = append(l.examples, e.Example)
		}
		return true
	}
	l := &line{group: e.Group, many: e.Many, one: e.Line, examples: []string{e.Example}, n: 1, since: now}
	p.lines = append(p.lines, l)
	if e.Group != "" {
		p.groups[e.Group] = l
	}
	if len(p.lines) > maxLines {
		oldest := p.lines[0]
		p.left += oldest.n
		p.dropped(oldest.n)
		p.remove(0)
	}
	return true
}

// remember bounds what is known by forgetting what is over, and everything if
// that does not help: the same is told twice then, in one line with others.
func (p *pending) remember(key string, now time.Time) {
	if len(p.known) >= maxKnown {
		for k, at := range p.known {
			if now.Sub(at).Abs() >= window {
				delete(p.known, k)
			}
		}
		if len(p.known) >= maxKnown {
			clear(p.known)
		}
	}
	p.known[key] = now
}

func (p *pending) remove(i int) {
	if g := p.lines[i].group; g != "" {
		delete(p.groups, g)
	}
	p.lines = slices.Delete(p.lines, i, i+1)
}

// due is when the first line is to be told, false when there is none.
func (p *pending) due() (first time.Time, any bool) {
	for _, l := range p.lines {
		at := l.since.Add(gather)
		if paced := p.mayGo(l); paced.After(at) {
			at = paced
		}
		if !any || at.Before(first) {
			first, any = at, true
		}
	}
	return first, any
}

// mayGo is from when on a line may be told.
func (p *pending) mayGo(l *line) time.Time {
	pace := p.paces[l.group]
	if l.group == "" || pace.last.IsZero() {
		return time.Time{}
	}
	return pace.last.Add(pace.gap)
}

// take takes out the lines whose turn it is, the oldest first; all is whether
// those go too that are to wait.
func (p *pending) take(now time.Time, all bool) message {
	m := message{left: p.left}
	for i := 0; i < len(p.lines) && len(m.lines) < maxPosted; {
		l := p.lines[i]
		if !all && p.mayGo(l).After(now) {
			i++
			continue
		}
		m.lines = append(m.lines, l)
		p.remove(i)
		if l.group != "" {
			p.told(l.group, now)
		}
	}
	if len(m.lines) > 0 {
		p.left = 0
	}
	return m
}

// rest takes out everything: what one message can say, and the others as left
// out.
func (p *pending) rest(now time.Time) message {
	m := p.take(now, true)
	for len(p.lines) > 0 {
		m.left += p.lines[0].n
		p.dropped(p.lines[0].n)
		p.remove(0)
	}
	return m
}

// told makes a group wait, twice as long as the last time if it was not quiet
// since.
func (p *pending) told(group string, now time.Time) {
	was := p.paces[group]
	is := pace{last: now, gap: gapMin}
	if !was.last.IsZero() && now.Sub(was.last) <= 2*was.gap {
		is.gap = min(2*was.gap, gapMax)
	}
	p.paces[group] = is
}

// message is what one post says.
type message struct {
	lines []*line
	left  int
}

// events is how many it tells of.
func (m message) events() (n int) {
	for _, l := range m.lines {
		n += l.n
	}
	return n
}

// text is the message, from whom it says.
func (m message) text(from string) string {
	if len(m.lines) == 1 && m.left == 0 {
		return escape(from + ": " + m.lines[0].String())
	}
	var b strings.Builder
	b.WriteString(from + ":")
	for _, l := range m.lines {
		b.WriteString("\n• " + l.String())
	}
	if m.left > 0 {
		fmt.Fprintf(&b, "\n• %d more could not be told in time; the log has them", m.left)
	}
	return escape(b.String())
}
