package page

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"grantd/internal/dcr"
)

const (
	// timesAmong is among how many of the newest clients the chart looks for
	// those whose time to ready is known, timesShown how many of these it shows.
	timesAmong, timesShown = 300, 100

	// The chart's plot in its own units: from left to right, top to bottom.
	plotLeft, plotRight, plotTop, plotBottom = 62, 396, 8, 108
)

// times is how long clients took from registration to ready.
type times struct {
	N                  int
	P50, P95, Max      string
	Sentence           string
	Dots               []dot
	Grid               []gridLine
	Median             string // the height of the line at P50
	Left, Right, Label int    // of the plot, and where its labels end
}

// dot is a client, oldest at the left.
type dot struct{ X, Y, Text string }

// gridLine is a time that is named at the left.
type gridLine struct{ Y, TextY, Label string }

// timesOf makes the chart of records, newest first.
func timesOf(newest []dcr.Record) times {
	var shown []dcr.Record
	for _, r := range newest {
		if !r.ReadyAt.IsZero() && !r.RegisteredAt.IsZero() && len(shown) < timesShown {
			shown = append(shown, r)
		}
	}
	if len(shown) == 0 {
		return times{}
	}
	slices.Reverse(shown)
	took := make([]time.Duration, len(shown))
	for i, r := range shown {
		took[i] = max(r.TimeToReady, time.Millisecond)
	}
	sorted := slices.Sorted(slices.Values(took))
	p50, p95 := quantile(sorted, 0.50), quantile(sorted, 0.95)
	ticks := ticksFor(sorted[0], sorted[len(sorted)-1])
	t := times{
		N: len(shown), P50: exact(p50), P95: exact(p95), Max: exact(sorted[len(sorted)-1]),
		Left: plotLeft, Right: plotRight, Label: plotLeft - 8, Median: height(p50, ticks),
	}
	t.Sentence = fmt.Sprintf("Of the last %s, half were ready within %s, 95 %% within %s, and all within %s.",
		count(t.N, "client", "clients"), t.P50, t.P95, t.Max)
	for _, tick := range ticks {
		y := yOf(tick, ticks)
		t.Grid = append(t.Grid, gridLine{coordinate(y), coordinate(y + 3), exact(tick)})
	}
	for i, r := range shown {
		x := float64(plotLeft+plotRight) / 2
		if n := len(shown) - 1; n > 0 {
			x = plotLeft + 6 + float64(i)*(plotRight-plotLeft-12)/float64(n)
		}
		t.Dots = append(t.Dots, dot{coordinate(x), height(took[i], ticks), nameOf(r) + ": " + exact(took[i])})
	}
	return t
}

// quantile is the smallest of the sorted durations that a part q of them does
// not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// ticksFor are the times that are named, from the last one at or below least to
// the first at or above most.
func ticksFor(least, most time.Duration) []time.Duration {
	all := []time.Duration{
		time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
		time.Minute, 10 * time.Minute, time.Hour, 10 * time.Hour, 100 * time.Hour, 1000 * time.Hour, 10_000 * time.Hour,
	}
	from, to := 0, len(all)-1
	for from < len(all)-2 && all[from+1] <= least {
		from++
	}
	for to > from+1 && all[to-1] >= most {
		to--
	}
	return all[from : to+1]
}

// yOf is the height of a duration, on a logarithmic scale from the first tick
// at the bottom to the last at the top.
func yOf(d time.Duration, ticks []time.Duration) float64 {
	lo, hi := math.Log(float64(ticks[0])), math.Log(float64(ticks[len(ticks)-1]))
	part := (math.Log(float64(d)) - lo) / (hi - lo)
	return plotBottom - min(max(part, 0), 1)*(plotBottom-plotTop)
}

func height(d time.Duration, ticks []time.Duration) string { return coordinate(yOf(d, ticks)) }

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
