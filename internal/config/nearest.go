package config

import (
	"strings"

	"grantd/internal/spell"
)

// nearest is the name that s was probably meant to be, and how many letters it
// is away. A name that was not written to its end counts as near.
func nearest(s string, names []string) (name string, d int) {
	const enough, near = len(prefix) + 3, 2
	for _, n := range names {
		e := spell.Distance(s, n)
		if len(s) >= enough && strings.HasPrefix(n, s) {
			e = min(e, near)
		}
		if name == "" || e < d {
			name, d = n, e
		}
	}
	return name, d
}
