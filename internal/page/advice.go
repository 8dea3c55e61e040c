package page

import (
	"slices"
	"strings"

	"grantd/internal/display"
)

// withoutAdvice is what a record's message says is wrong. Messages go on with
// what to do about it, for those who see nothing else; the page says that once,
// in the words of the reason.
func withoutAdvice(message, fix string) string {
	if said, ok := strings.CutSuffix(message, fix); ok && fix != "" {
		// What the advice is about, "Scope read:logs:", stays where nothing
		// else names it.
		said = strings.TrimSuffix(strings.TrimSpace(said), ":")
		if what, about, ok := strings.Cut(said, ". Scope "); ok && strings.Contains(what, about) {
			said = what
		}
		return said
	}
	advice := -1
	for _, mark := range []string{"; ", ": "} {
		at := strings.LastIndex(message, mark)
		if at < 0 {
			continue
		}
		verb, _, _ := strings.Cut(message[at+len(mark):], " ")
		if slices.Contains([]string{"correct", "create", "promote", "add", "grantd"}, verb) {
			advice = max(advice, at)
		}
	}
	if advice < 0 {
		return message
	}
	return message[:advice]
}

// inDetail is that, for people; empty where the message adds nothing.
func inDetail(message, fix string) string { return display.Line(withoutAdvice(message, fix), maxText) }
