package config

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// parseSchedule takes what cron.ParseStandard does, but for what that panics on
// ("TZ=0"), silently rounds ("@every 100ms"), or would never run.
func parseSchedule(raw string) (string, error) {
	const hint = "write five cron fields such as */5 * * * *, or @every 15s, or off"
	spec := strings.TrimSpace(raw)
	if strings.EqualFold(spec, Off) {
		return Off, nil
	}
	rest := spec
	if strings.HasPrefix(rest, "TZ=") || strings.HasPrefix(rest, "CRON_TZ=") {
		zone, after, ok := strings.Cut(rest, " ")
		if !ok {
			return "", wrong(hint, "has a time zone and no schedule")
		}
		if strings.HasSuffix(zone, "=") {
			return "", wrong("write CRON_TZ=Europe/Berlin, a space and the schedule", "has an empty time zone")
		}
		rest = strings.TrimSpace(after)
	}
	if every, ok := strings.CutPrefix(rest, "@every"); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		if err != nil {
			return "", wrong("write @every and a duration such as 15s, 5m or 1h", "has no duration after @every")
		}
		if d < time.Second || d%time.Second != 0 {
			return "", wrong("write @every and a duration of whole seconds, at least 1s", "has a duration that is not one of whole seconds")
		}
	}
	s, err := parseCron(spec)
	if err != nil && quote(spec) == "" { // the parser's error repeats it
		return "", wrong(hint, "is not a schedule")
	}
	if err != nil {
		return "", wrong(hint, "is not a schedule: %w", err)
	}
	// 2024 is a leap year: even 29 February comes within the five years that
	// Next looks ahead.
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "", wrong(hint, "names a time that never comes")
	}
	return spec, nil
}

// parseCron is cron.ParseStandard without its panics.
func parseCron(spec string) (_ cron.Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the parser gave up on it")
		}
	}()
	return cron.ParseStandard(spec)
}
