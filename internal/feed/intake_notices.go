package feed

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"grantd/internal/dcr"
)

const (
	// sampleEvery is how often a delivery is shown in the log.
	sampleEvery = time.Minute
	// malformedEvery and malformedBurst bound the lines about malformed
	// entries: whoever sends them decides how many there are.
	malformedEvery = 20 * time.Second
	malformedBurst = 3
)

// notices are the log lines about deliveries, a few a minute and without
// content: types and paths only.
type notices struct {
	log     *slog.Logger
	samples *rate.Limiter
	flaws   *rate.Limiter
}

func newNotices(log *slog.Logger) notices {
	return notices{
		log:     log,
		samples: rate.NewLimiter(rate.Every(sampleEvery), 1),
		flaws:   rate.NewLimiter(rate.Every(malformedEvery), malformedBurst),
	}
}

// sample shows what a delivery is about, so that a person who sets up a log
// stream sees whether the right entries arrive.
func (n notices) sample(ctx context.Context, now time.Time, r Result) {
	if len(r.Samples) == 0 || !n.samples.AllowN(now, 1) {
		return
	}
	var types, paths []string
	for _, s := range r.Samples {
		if !slices.Contains(types, s.Type) {
			types = append(types, s.Type)
		}
		if s.Path != "" && !slices.Contains(paths, s.Path) {
			paths = append(paths, s.Path)
		}
	}
	n.log.InfoContext(ctx, "[webhook:sample]", "types", types, "paths", paths)
}

// malformed tells of entries that could not be used.
func (n notices) malformed(ctx context.Context, now time.Time, feed dcr.Feed, r Result) {
	if r.Malformed == 0 || !n.flaws.AllowN(now, 1) {
		return
	}
	flawed := make([]string, 0, len(r.Flawed))
	for _, f := range r.Flawed {
		flawed = append(flawed, f.String())
	}
	n.log.WarnContext(ctx, "malformed log entries skipped", "feed", feed, "received", r.Received, "malformed", r.Malformed, "first", flawed)
}
