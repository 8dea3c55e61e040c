package torture_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// sample is what a grantd takes up at one moment.
type sample struct {
	rss        float64 // anonymous memory in MiB: what is not the page cache's
	goroutines float64
	files      float64 // descriptors
	ledger     float64 // MiB
}

// measure samples the running grantd.
func (l *life) measure() (s sample, err error) {
	pid := l.daemon.PID()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	s.rss = value(status, "RssAnon:") / 1024
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return s, err
	}
	s.files = float64(len(files))
	if info, err := os.Stat(l.ledger()); err == nil {
		s.ledger = float64(info.Size()) / (1 << 20)
	}
	resp, err := http.Get("http://" + l.daemon.Admin + "/metrics")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	s.goroutines = value(metrics, "go_goroutines")
	return s, err
}

// value is the number after a word at the beginning of a line.
func value(text []byte, word string) (n float64) {
	for line := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(line), word+" "); ok {
			_, _ = fmt.Sscan(rest, &n) // 0 where there is none
		} else if rest, ok := strings.CutPrefix(string(line), word+"\t"); ok {
			_, _ = fmt.Sscan(rest, &n)
		}
	}
	return n
}

// cpu is the time that the process has computed.
func (l *life) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.daemon.PID()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var user, system int64
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	return time.Duration(user+system) * tick
}

// median of some numbers; 0 of none.
func median(ns []float64) float64 {
	if len(ns) == 0 {
		return 0
	}
	ns = slices.Sorted(slices.Values(ns))
	return ns[len(ns)/2]
}

// curves shows each quantity over the tenths of a run, and both halves.
func curves(samples []sample) string {
	var b strings.Builder
	quantities := []struct {
		name string
		of   func(sample) float64
	}{
		{"RssAnon, MiB", func(s sample) float64 { return s.rss }},
		{"goroutines", func(s sample) float64 { return s.goroutines }},
		{"descriptors", func(s sample) float64 { return s.files }},
		{"ledger, MiB", func(s sample) float64 { return s.ledger }},
	}
	fmt.Fprintf(&b, "%d samples; min / median / max of each tenth\n%-8s", len(samples), "tenth")
	for _, q := range quantities {
		fmt.Fprintf(&b, "%-26s", q.name)
	}
	b.WriteString("\n")
	show := func(name string, part []sample) {
		fmt.Fprintf(&b, "%-8s", name)
		for _, q := range quantities {
			var ns []float64
			for _, s := range part {
				ns = append(ns, q.of(s))
			}
			if len(ns) > 0 {
				fmt.Fprintf(&b, "%-26s", fmt.Sprintf("%.1f / %.1f / %.1f", slices.Min(ns), median(ns), slices.Max(ns)))
			}
		}
		b.WriteString("\n")
	}
	n := len(samples)
	for i := range 10 {
		show(fmt.Sprint(i+1), samples[i*n/10:(i+1)*n/10])
	}
	show("half 1", samples[:n/2])
	show("half 2", samples[n/2:])
	return b.String()
}
