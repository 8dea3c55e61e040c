package page

import (
	"slices"
	"strings"
)

// withoutAdvice is what a record's message says is wrong. Messages go on with
// what to do about it, for those who see nothing else; the page says that once,
// in the words of the reason.
func withoutAdvice(message, fix string) string {
	if said, ok := strings.CutSuffix(message, fix); ok && fix != "" {
		said = strings.TrimSpace(said)
		if strings.HasSuffix(said, ":") { // what the advice is about
			said = said[:max(strings.LastIndex(said, ". "), 0)]
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
func inDetail(message, fix string) string { return clean(withoutAdvice(message, fix), maxText) }
