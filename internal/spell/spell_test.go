package spell_test

import (
	"testing"

	"grantd/internal/spell"
)

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"chatgpt", "chatgpt", 0},
		{"chatgtp", "chatgpt", 2},
		{"chatgp", "chatgpt", 1},
		{"kitten", "sitting", 3},
	} {
		if got := spell.Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := spell.Distance(tc.b, tc.a); got != tc.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tc.b, tc.a, got, tc.want)
		}
	}
}
