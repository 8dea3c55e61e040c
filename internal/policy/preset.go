package policy

import (
	"strings"

	"grantd/internal/spell"
)

// Any is the allow-list entry that admits every third-party client.
const Any = "any"

// preset is a product known by name and the callbacks it registers.
type preset struct {
	name string
	uris []string
}

// presets are the products grantd knows, sorted by name.
func presets() []preset {
	return []preset{
		{"chatgpt", []string{
			"https://chatgpt.com/connector_platform_oauth_redirect",
			"https://chatgpt.com/connector/oauth/{id}",
		}},
		{"claude", []string{
			"https://claude.ai/api/mcp/auth_callback",
			"https://claude.com/api/mcp/auth_callback",
		}},
		{"mcp-inspector", []string{
			"http://localhost:6274/oauth/callback",
			"http://localhost:6274/oauth/callback/debug",
		}},
	}
}

// Presets are the names of the known products, sorted.
func Presets() []string {
	all := presets()
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	return names
}

// nearest is the preset or keyword that s was probably meant to be, or "".
func nearest(s string) string {
	const tolerated = 3
	best, at := "", tolerated+1
	for _, name := range append(Presets(), Any) {
		// A short word is near to everything.
		if d := spell.Distance(strings.ToLower(s), name); d < at && d*2 <= len(name) {
			best, at = name, d
		}
	}
	return best
}
