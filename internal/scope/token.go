package scope

import (
	"slices"
	"strings"
)

// Valid reports whether s is a scope-token of RFC 6749, section 3.3.
func Valid(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '\\' || r > '~'
	})
}

// Split cuts text into words at commas and white space.
func Split(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || '\t' <= r && r <= '\r' })
}

// SplitLogin separates the scopes that can be an API's from those that only
// speak to the login itself (OpenID Connect Core 1.0, sections 3.1.2.1, 5.4, 11).
func SplitLogin(scopes []string) (api, login []string) {
	for _, s := range scopes {
		switch s {
		case "openid", "profile", "email", "address", "phone", "offline_access":
			login = append(login, s)
		default:
			api = append(api, s)
		}
	}
	return api, login
}

// union is all that is in a set, sorted, each once. It shares nothing with them.
func union(sets ...[]string) []string {
	all := slices.Concat(sets...)
	slices.Sort(all)
	return slices.Compact(all)
}

// covers reports whether all of part is in whole, both sorted.
func covers(whole, part []string) bool {
	for _, s := range part {
		if _, ok := slices.BinarySearch(whole, s); !ok {
			return false
		}
	}
	return true
}
