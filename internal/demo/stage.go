package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"grantd/internal/tenantsim"
)

// Report is what the tour found, for --json.
type Report struct {
	Schema int    `json:"schema"`
	OK     bool   `json:"ok"`
	TookMS int64  `json:"took_ms"`
	Calls  int    `json:"management_api_calls"` // all of the tour, polls apart
	Acts   []*Act `json:"acts"`
}

// Act is one part of the tour.
type Act struct {
	Title  string  `json:"title"`
	TookMS int64   `json:"took_ms"`
	Calls  []Call  `json:"calls"`
	Checks []Check `json:"checks"`
}

// Call is one Management API call.
type Call struct {
	AtMS      int64  `json:"at_ms"` // since the first one of its act
	Operation string `json:"operation"`
	Status    int    `json:"status"`
}

// Check is one thing that was shown and checked.
type Check struct {
	OK   bool   `json:"ok"`
	What string `json:"what"`
}

// columns is how wide the tour is at most, so that no terminal breaks its
// lines.
const columns = 96

const (
	bold, dim, green, red, reset = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
)

// stage prints the tour and keeps what it checked.
type stage struct {
	out    io.Writer
	color  bool
	report Report
	began  time.Time // the tour
	acted  time.Time // the present act
}

func newStage(out io.Writer, color bool) *stage {
	return &stage{out: out, color: color, began: time.Now(), report: Report{Schema: 1, Acts: []*Act{}}}
}

// lines prints text, wrapped and indented, with a mark before the first line.
func (s *stage) lines(mark, code, text string) {
	indent := strings.Repeat(" ", 3)
	if mark != "" {
		fmt.Fprint(s.out, indent, mark, " ")
		indent += "  "
	}
	for i, line := range fold(text, columns-len(indent)) {
		if i > 0 || mark == "" {
			fmt.Fprint(s.out, indent)
		}
		fmt.Fprintln(s.out, s.paint(code, line))
	}
}

func (s *stage) paint(code, text string) string {
	if !s.color || code == "" {
		return text
	}
	return code + text + reset
}

// act begins an act.
func (s *stage) act(title string) {
	s.acted = time.Now()
	s.report.Acts = append(s.report.Acts, &Act{Title: title, Calls: []Call{}, Checks: []Check{}})
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. %s", len(s.report.Acts), title)))
}

// now is the present act.
func (s *stage) now() *Act { return s.report.Acts[len(s.report.Acts)-1] }

// say tells what happens.
func (s *stage) say(format string, args ...any) { s.lines("", "", fmt.Sprintf(format, args...)) }

// aside is said in a lower voice.
func (s *stage) aside(format string, args ...any) {
	s.lines(" ", dim, fmt.Sprintf(format, args...))
}

// check shows a claim and whether it holds.
func (s *stage) check(ok bool, format string, args ...any) {
	c := Check{OK: ok, What: fmt.Sprintf(format, args...)}
	s.now().Checks = append(s.now().Checks, c)
	if ok {
		s.lines(s.paint(green, "✓"), "", c.What)
		return
	}
	s.lines(s.paint(red, "✗"), red, c.What)
}

// sum ends an act with its Management API calls and its time.
func (s *stage) sum(calls []tenantsim.Call) {
	a := s.now()
	took := time.Since(s.acted)
	a.TookMS = took.Milliseconds()
	for _, c := range calls {
		a.Calls = append(a.Calls, Call{c.At.Sub(calls[0].At).Milliseconds(), c.Operation, c.Status})
	}
	s.report.Calls += len(calls)
	switch len(calls) {
	case 0:
		s.aside("%.2f s, no Management API call", took.Seconds())
		return
	case 1:
		s.aside("%.2f s, 1 Management API call:", took.Seconds())
	default:
		s.aside("%.2f s, %d Management API calls:", took.Seconds(), len(calls))
	}
	for _, c := range a.Calls {
		status := "lost"
		if c.Status != 0 {
			status = fmt.Sprint(c.Status)
		}
		method, path, _ := strings.Cut(c.Operation, " ")
		line := fmt.Sprintf("%4d ms  %-5s %-24s %s", c.AtMS, method, path, status)
		fmt.Fprintf(s.out, "     %s\n", s.paint(dim, line))
	}
}

// end sums up and returns the report.
func (s *stage) end() Report {
	r := &s.report
	took := time.Since(s.began)
	r.TookMS = took.Milliseconds()
	held, all := 0, 0
	for _, a := range r.Acts {
		for _, c := range a.Checks {
			all++
			if c.OK {
				held++
			}
		}
	}
	r.OK = held == all && all > 0
	code := green
	if !r.OK {
		code = red
	}
	fmt.Fprintf(s.out, "\n%s %s\n", s.paint(code, fmt.Sprintf("%d of %d checks held", held, all)),
		fmt.Sprintf("in %.1f s, with %d Management API calls besides the polls.", took.Seconds(), r.Calls))
	return *r
}

// fold breaks text into lines of at most n characters: between words, or
// within one that is longer.
func fold(text string, n int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line, used := "", 0
		for i, word := range strings.Split(paragraph, " ") {
			size := utf8.RuneCountInString(word)
			if i > 0 && used+1+size <= n {
				line, used = line+" "+word, used+1+size
				continue
			}
			if i > 0 {
				lines = append(lines, line)
			}
			for r := []rune(word); size > n; r, size = r[n:], size-n {
				lines, word = append(lines, string(r[:n])), string(r[n:])
			}
			line, used = word, size
		}
		lines = append(lines, line)
	}
	return lines
}

// ms shows a duration to the millisecond.
func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
