package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/policy"
)

const (
	good = "https://chatgpt.com/connector/oauth/abc123"
	evil = "https://evil.example/cb"
)

func TestDecide(t *testing.T) {
	hundreds := make([]string, 300)
	for i := range hundreds {
		hundreds[i] = fmt.Sprintf("https://chatgpt.com/connector/oauth/%d", i)
	}
	third := dcr.Client{ID: "tpc_1", Callbacks: []string{good}}
	with := func(edit func(*dcr.Client)) dcr.Client {
		c := third
		edit(&c)
		return c
	}
	tests := []struct {
		name    string
		entries []string
		client  dcr.Client
		want    dcr.Reason
		message string
		preset  string
	}{
		{name: "eligible", client: third, preset: "chatgpt"},
		{name: "two presets", client: with(func(c *dcr.Client) {
			c.Callbacks = []string{"https://claude.ai/api/mcp/auth_callback", good}
		}), preset: "claude"},
		{name: "own", client: with(func(c *dcr.Client) { c.ID = "own" }), want: dcr.OwnClient},
		{name: "own before all", client: dcr.Client{ID: "own", Global: true, FirstParty: true}, want: dcr.OwnClient},
		{name: "global", client: with(func(c *dcr.Client) { c.Global, c.FirstParty = true, true }), want: dcr.GlobalClient},
		{name: "first-party", client: with(func(c *dcr.Client) {
			c.FirstParty, c.AppType, c.GrantTypes = true, "regular_web", append(c.GrantTypes, "client_credentials")
		}), want: dcr.FirstParty},
		{name: "machine-to-machine says more than first-party", client: with(func(c *dcr.Client) { c.FirstParty, c.AppType = true, "non_interactive" }), want: dcr.MachineToMachine},
		{name: "non_interactive", client: with(func(c *dcr.Client) { c.AppType, c.Callbacks = "non_interactive", nil }), want: dcr.MachineToMachine, message: "non_interactive"},
		{name: "client_credentials", client: with(func(c *dcr.Client) {
			c.GrantTypes = []string{"authorization_code", "client_credentials"}
		}), want: dcr.MachineToMachine, message: "client_credentials"},
		{name: "none", client: with(func(c *dcr.Client) { c.Callbacks = nil }), want: dcr.NoCallbacks},
		{name: "none, any", entries: []string{"any"}, client: with(func(c *dcr.Client) { c.Callbacks = nil }), want: dcr.NoCallbacks},
		{name: "off list", client: with(func(c *dcr.Client) { c.Callbacks = []string{evil} }), want: dcr.CallbackNotAllowed, message: `"https://evil.example/cb" (1 of 1)`},
		{name: "an extra one", client: with(func(c *dcr.Client) { c.Callbacks = []string{good, evil} }), want: dcr.CallbackNotAllowed, message: `"https://evil.example/cb" (2 of 2)`},
		{name: "an empty one", client: with(func(c *dcr.Client) { c.Callbacks = []string{good, ""} }), want: dcr.CallbackNotAllowed, message: `callback "" (2 of 2)`},
		{name: "escaped", client: with(func(c *dcr.Client) { c.Callbacks = []string{"https://é\n\x1b[31m\"/"} }), want: dcr.CallbackNotAllowed, message: `"https://\u00e9\n\x1b[31m\"/"`},
		{name: "cut", client: with(func(c *dcr.Client) { c.Callbacks = []string{strings.Repeat("\x00", 1<<20)} }), want: dcr.CallbackNotAllowed, message: `\x00"... (1048576 bytes)`},
		{name: "hundreds", client: with(func(c *dcr.Client) { c.Callbacks = hundreds }), want: dcr.CallbackNotAllowed, message: "it has 300 callbacks"},
		{name: "a hundred", client: with(func(c *dcr.Client) { c.Callbacks = hundreds[:100] }), preset: "chatgpt"},
		{name: "hundreds, the first off list", client: with(func(c *dcr.Client) { c.Callbacks = append([]string{evil}, hundreds...) }), want: dcr.CallbackNotAllowed, message: "(1 of 301)"},
		{name: "hundreds, any", entries: []string{"any"}, client: with(func(c *dcr.Client) { c.Callbacks = hundreds }), preset: "any"},
		{name: "any", entries: []string{"any"}, client: with(func(c *dcr.Client) { c.Callbacks = []string{evil} }), preset: "any"},
		{name: "any and first-party", entries: []string{"any"}, client: with(func(c *dcr.Client) { c.FirstParty = true }), want: dcr.FirstParty},
		{name: "any names the preset", entries: []string{"any", "chatgpt"}, client: third, preset: "chatgpt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := tt.entries
			if entries == nil {
				entries = []string{"chatgpt", "claude"}
			}
			got := parse(t, entries...).Decide(tt.client, "own")
			if got.Eligible != (tt.want == "") || got.Reason != tt.want || got.Preset != tt.preset {
				t.Errorf("Decide = %+v, want reason %q, preset %q", got, tt.want, tt.preset)
			}
			if !strings.Contains(got.Message, tt.message) || (got.Message == "") != got.Eligible {
				t.Errorf("message %q, want it to say %q", got.Message, tt.message)
			}
			if len(got.Message) > 1000 || strings.Trim(got.Message, printable()) != "" {
				t.Errorf("message of %d bytes is not a short line of printable ASCII: %.200q", len(got.Message), got.Message)
			}
		})
	}
}

func TestImitationsAreRefused(t *testing.T) {
	p := parse(t, everything()...)
	for _, uri := range imitations() {
		for _, callbacks := range [][]string{{uri}, {good, uri}, {uri, good}} {
			if v := p.Decide(dcr.Client{ID: "tpc_1", Callbacks: callbacks}, "own"); v.Eligible || v.Reason != dcr.CallbackNotAllowed {
				t.Errorf("callbacks %.200q: %+v", callbacks, v)
			}
		}
	}
}

func TestPresetsAreSorted(t *testing.T) {
	want := "chatgpt claude mcp-inspector"
	if got := strings.Join(policy.Presets(), " "); got != want {
		t.Errorf("Presets = %q, want %q", got, want)
	}
}

// printable are the characters a message may have.
func printable() string {
	var b strings.Builder
	for c := byte(' '); c < 0x7f; c++ {
		b.WriteByte(c)
	}
	return b.String()
}
