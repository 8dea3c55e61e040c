package page

import (
	"strings"
	"unicode"
)

// clean makes text from outside harmless to look at: what is no visible
// character, such as controls and marks that reorder or hide text, becomes
// visible, and at most n characters are shown.
func clean(s string, n int) string {
	if len(s) > 4*n {
		s = strings.ToValidUTF8(s[:4*n], "")
	}
	seen := 0
	for i := range s {
		if seen++; seen > n {
			s = s[:i] + "…"
			break
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case unicode.IsGraphic(r):
			return r
		default:
			return unicode.ReplacementChar
		}
	}, s)
}

// The most characters shown of texts from outside.
const (
	maxName     = 80
	maxText     = 400
	maxCallback = 300
	maxValue    = 300
)

// cleanAll cleans each of them.
func cleanAll(all []string, n int) []string {
	cleaned := make([]string, len(all))
	for i, s := range all {
		cleaned[i] = clean(s, n)
	}
	return cleaned
}
