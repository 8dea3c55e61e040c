package dcr

import (
	"cmp"
	"strings"
)

// Advice is what to do about a reason: what was found out of the case at hand,
// where that is more than the closed list says of all.
func (r Reason) Advice(found Text) Text { return cmp.Or(found, r.Info().Fix) }

// Told is a message together with what to do (see Advice), for those who are shown no more
// than one text. There is nothing to do about nothing.
func (r Reason) Told(message string, found Text) string {
	if message == "" {
		return ""
	}
	advice := r.Advice(found)
	if advice == "" {
		return message
	}
	if !strings.ContainsAny(message[len(message)-1:], ".!?") {
		message += "."
	}
	return message + " " + advice.String()
}

// PromoteConnection is what to do about a connection that is not domain-level.
// The name may be any words for it.
func PromoteConnection(name string) Text {
	return "Auth0 dashboard → Authentication → " + unmarked(name) + " → Settings → Promote Connection to Domain Level; " +
		"or set `GRANTD_CONNECTION_LEVEL=domain` and grant grantd `update:connections`."
}

// Command is a command, marked as that.
func Command(line string) Text { return "`" + unmarked(line) + "`" }

// unmarked is text from outside, in which a backtick marks nothing.
func unmarked(s string) Text { return Text(strings.ReplaceAll(s, "`", "'")) }
