package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"grantd/internal/dcr"
)

// moment is a time as a page shows it.
type moment struct {
	Known    bool
	Machine  string // RFC 3339, for datetime
	Absolute string
	Ago      string
}

// at shows t as seen from now.
func at(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	m := moment{Known: true, Machine: t.Format("2006-01-02T15:04:05.000Z"), Absolute: t.Format("2 Jan 2006, 15:04:05 UTC")}
	if d := now.Sub(t); d < -time.Second {
		m.Ago = "in " + rough(-d)
	} else if d < time.Second {
		m.Ago = "just now"
	} else {
		m.Ago = rough(d) + " ago"
	}
	return m
}

// rough is a duration in its largest unit, rounded down, as live.js does it too.
func rough(d time.Duration) string {
	switch s := int(d / time.Second); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h", s/3600)
	default:
		return fmt.Sprintf("%d days", s/86400)
	}
}

// exact is a duration with two digits that mean something.
func exact(d time.Duration) string {
	switch s := d.Seconds(); {
	case s < 1:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 60:
		return fmt.Sprintf("%.0f s", s)
	default:
		return rough(d)
	}
}

// number groups digits: 100,000.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count is a number of things: "1 client", "1,000 clients".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// percent is a part of a whole from 0 to 100.
func percent(part, whole int) int {
	if whole <= 0 {
		return 0
	}
	return int(math.Round(100 * float64(min(max(part, 0), whole)) / float64(whole)))
}

// phaseMeaning says what a phase means.
func phaseMeaning(p dcr.Phase) string {
	switch p {
	case dcr.Ready:
		return "users can log in through it"
	case dcr.Pending:
		return "work is due, or is tried again"
	case dcr.Blocked:
		return "a person must act"
	case dcr.Refused:
		return "policy says hands off"
	case dcr.Gone:
		return "deleted in Auth0"
	default:
		return ""
	}
}

// words is a code as words: "missing_scope" is "missing scope", "api_not_found"
// is "API not found".
func words(code string) string {
	all := strings.Split(code, "_")
	for i, w := range all {
		switch w {
		case "api", "jwks":
			all[i] = strings.ToUpper(w)
		case "auth0":
			all[i] = "Auth0"
		}
	}
	return strings.Join(all, " ")
}

// title is a word or code as a heading: "client_grants" is "Client grants".
func title(code string) string {
	s := words(code)
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
