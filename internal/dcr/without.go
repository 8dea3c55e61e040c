package dcr

import "slices"

// Without returns those of a that are not in b, such as the scopes that are
// wanted and not there, in their order.
func Without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
