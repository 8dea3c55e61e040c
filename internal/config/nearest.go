package config

import "strings"

// nearest is the name that s was probably meant to be, and how many letters it
// is away. A name that was not written to its end counts as near.
func nearest(s string, names []string) (name string, d int) {
	const enough, near = len(prefix) + 3, 2
	for _, n := range names {
		e := distance(s, n)
		if len(s) >= enough && strings.HasPrefix(n, s) {
			e = min(e, near)
		}
		if name == "" || e < d {
			name, d = n, e
		}
	}
	return name, d
}

// distance is the Levenshtein distance of a and b, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
