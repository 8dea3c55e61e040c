package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// stage prints the tour and keeps what it checked.
type stage struct {
	out    io.Writer
	color  bool
	report Report
	began  time.Time
}

// Report is what the tour found, for --json.
type Report struct {
	OK     bool          `json:"ok"`
	Took   time.Duration `json:"took_ns"`
	Calls  int           `json:"management_api_calls"` // all of the tour, polls apart
	Checks []Check       `json:"checks"`
}

// Check is one thing that was shown and checked.
type Check struct {
	Act  string `json:"act"`
	OK   bool   `json:"ok"`
	What string `json:"what"`
}

const (
	bold, dim, green, red, reset = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
)

func (s *stage) paint(code, text string) string {
	if !s.color {
		return text
	}
	return code + text + reset
}

// act begins an act.
func (s *stage) act(title string) {
	s.report.Checks = append(s.report.Checks, Check{Act: title})
	n := 0
	for i, c := range s.report.Checks {
		if i == 0 || c.Act != s.report.Checks[i-1].Act {
			n++
		}
	}
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. %s", n, title)))
}

// say tells what happens.
func (s *stage) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(s.out, "   %s\n", line)
	}
}

// aside is said in a lower voice.
func (s *stage) aside(format string, args ...any) {
	fmt.Fprintf(s.out, "     %s\n", s.paint(dim, fmt.Sprintf(format, args...)))
}

// check shows a claim and whether it holds.
func (s *stage) check(ok bool, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	mark := s.paint(green, "✓")
	if !ok {
		mark = s.paint(red, "✗")
	}
	fmt.Fprintf(s.out, "   %s %s\n", mark, what)
	last := &s.report.Checks[len(s.report.Checks)-1]
	if last.What == "" {
		last.OK, last.What = ok, what
		return
	}
	s.report.Checks = append(s.report.Checks, Check{Act: last.Act, OK: ok, What: what})
}

// end sums up and returns the report.
func (s *stage) end() Report {
	s.report.OK, s.report.Took = true, time.Since(s.began)
	held := 0
	for _, c := range s.report.Checks {
		s.report.OK = s.report.OK && c.OK
		if c.OK {
			held++
		}
	}
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, fmt.Sprintf("%d of %d checks held, %.1f s, %d Management API calls (polls apart).",
		held, len(s.report.Checks), s.report.Took.Seconds(), s.report.Calls)))
	return s.report
}

// ms shows a duration to the millisecond.
func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
