package scope

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Ceiling is what a file and a URL may offer at most. The zero Ceiling is no
// limit. It is not changed once made.
type Ceiling struct {
	patterns []string // scopes, or what a scope begins with and then *; sorted
}

// ParseCeiling reads scopes and patterns, separated by commas or white space. A
// pattern is the beginning of a scope and then *, as read:* is; a * anywhere
// else is an error. Nothing at all is no limit, but separators around nothing
// are an error.
func ParseCeiling(raw string) (Ceiling, error) {
	var errs []error
	words := Split(raw)
	for _, w := range words {
		switch {
		case !Valid(w):
			errs = append(errs, fmt.Errorf("%s is not a scope", strconv.QuoteToASCII(w)))
		case strings.Contains(strings.TrimSuffix(w, "*"), "*"):
			errs = append(errs, fmt.Errorf("%s has a * that is not at its end", strconv.QuoteToASCII(w)))
		}
	}
	if raw != "" && len(words) == 0 {
		errs = append(errs, errors.New("holds nothing but separators"))
	}
	if len(errs) > 0 {
		return Ceiling{}, errors.Join(errs...)
	}
	return Ceiling{union(words)}, nil
}

// Allows reports whether a scope may be offered.
func (c Ceiling) Allows(scope string) bool {
	return len(c.patterns) == 0 || slices.ContainsFunc(c.patterns, func(p string) bool {
		prefix, open := strings.CutSuffix(p, "*")
		return p == scope || open && strings.HasPrefix(scope, prefix)
	})
}

// Limit separates what may be offered from what may not. Order is kept.
func (c Ceiling) Limit(scopes []string) (within, beyond []string) {
	for _, s := range scopes {
		if c.Allows(s) {
			within = append(within, s)
		} else {
			beyond = append(beyond, s)
		}
	}
	return within, beyond
}

// String is what ParseCeiling reads as the same, empty for no limit.
func (c Ceiling) String() string { return strings.Join(c.patterns, ",") }
