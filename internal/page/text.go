package page

import "grantd/internal/display"

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
		cleaned[i] = display.Line(s, n)
	}
	return cleaned
}
