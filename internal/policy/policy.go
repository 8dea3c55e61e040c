package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"grantd/internal/dcr"
)

// Policy is a parsed allow-list. The zero Policy allows nothing. It is
// immutable and safe for concurrent use.
type Policy struct {
	entries []string
	rules   []rule
	any     bool
}

// rule is a pattern and the entry it came from.
type rule struct {
	pattern
	entry string
}

// Parse reads an allow-list: presets by name (see Presets), redirect-URI
// patterns, or Any. A pattern is an exact URI (https, http on loopback, or a
// private-use scheme such as cursor://), one with {id} standing for one path
// segment of letters, digits, "-" and "_", or http://localhost:*/path and
// http://127.0.0.1:*/path, which leave the port open. All errors are joined; an
// empty list is one.
func Parse(entries []string) (Policy, error) {
	var p Policy
	var errs []error
	known := make(map[string]preset)
	for _, k := range presets() {
		known[k.name] = k
	}
	for _, e := range entries {
		e = strings.TrimSpace(e)
		uris := []string{e}
		switch k, ok := known[e]; {
		case e == "":
			errs = append(errs, errors.New("allowed client: empty entry"))
			continue
		case slices.Contains(p.entries, e):
			continue
		case e == Any:
			p.any, uris = true, nil
		case ok:
			uris = k.uris
		case !strings.ContainsAny(e, ":/") && nearest(e) != "":
			errs = append(errs, fmt.Errorf("allowed client %s is not a preset; did you mean %q?", quote(e), nearest(e)))
			continue
		case !strings.ContainsAny(e, ":/."):
			errs = append(errs, fmt.Errorf("allowed client %s is not a preset; they are %s and %s", quote(e), strings.Join(Presets(), ", "), Any))
			continue
		}
		for _, uri := range uris {
			pat, err := parsePattern(uri)
			if err != nil {
				errs = append(errs, fmt.Errorf("allowed client %s %w", quote(e), err))
				continue
			}
			p.rules = append(p.rules, rule{pat, e})
		}
		p.entries = append(p.entries, e)
	}
	if len(entries) == 0 {
		errs = append(errs, fmt.Errorf("allowed clients: the list is empty; name presets (%s) or redirect URIs", strings.Join(Presets(), ", ")))
	}
	if err := errors.Join(errs...); err != nil {
		return Policy{}, err
	}
	slices.Sort(p.entries)
	return p, nil
}

// Entries are the entries the policy was parsed from, sorted, each once.
func (p Policy) Entries() []string { return slices.Clone(p.entries) }

// Rules are the patterns the policy stands for, presets spelled out, sorted,
// each once. A digest of them changes also when a release changes a preset.
func (p Policy) Rules() []string {
	var all []string
	for _, r := range p.rules {
		all = append(all, r.text)
	}
	if p.any {
		all = append(all, Any)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// AllowsAny reports whether every third-party client is allowed, whatever its
// callbacks.
func (p Policy) AllowsAny() bool { return p.any }

// MatchURI reports whether the redirect URI raw is on the list, and the entry
// that says so: a preset's name, a pattern, or Any.
func (p Policy) MatchURI(raw string) (entry string, ok bool) {
	if len(raw) <= MaxURILength {
		for _, r := range p.rules {
			if r.match(raw) {
				return r.entry, true
			}
		}
	}
	if p.any {
		return Any, true
	}
	return "", false
}

// MaxCallbacks is how many callbacks of one client are looked at; a client
// that has more is refused, unless Any is on the list.
const MaxCallbacks = 100

// Verdict is what the policy says of one client.
type Verdict struct {
	Eligible bool
	Reason   dcr.Reason // why not; empty when eligible
	Message  string     // Reason in words, one line of printable ASCII under 1 kB
	Preset   string     // the entry that allows its first callback; empty when not eligible
}

// Decide says whether c may be touched. ownClientID is the application grantd
// itself logs in with.
func (p Policy) Decide(c dcr.Client, ownClientID string) Verdict {
	switch {
	case c.ID == ownClientID:
		return refuse(dcr.OwnClient, "this is the application grantd itself logs in with")
	case c.Global:
		return refuse(dcr.GlobalClient, "this is the tenant's global client")
	case c.AppType == "non_interactive":
		return refuse(dcr.MachineToMachine, "its app_type is non_interactive: a machine-to-machine application")
	case c.FirstParty:
		return refuse(dcr.FirstParty, "the client is first-party, or Auth0 does not say that it is not")
	case slices.Contains(c.GrantTypes, "client_credentials"):
		return refuse(dcr.MachineToMachine, "client_credentials is among its grant types: a machine-to-machine application")
	case len(c.Callbacks) == 0:
		return refuse(dcr.NoCallbacks, "it has no callback, so nothing says where its logins would go")
	}
	for i, uri := range c.Callbacks {
		if i == MaxCallbacks && !p.any {
			return refuse(dcr.CallbackNotAllowed, fmt.Sprintf("it has %d callbacks; grantd looks at %d and refuses clients with more", len(c.Callbacks), MaxCallbacks))
		}
		if _, ok := p.MatchURI(uri); !ok {
			return refuse(dcr.CallbackNotAllowed, fmt.Sprintf("callback %s (%d of %d) is not on the allow-list", quote(uri), i+1, len(c.Callbacks)))
		}
	}
	entry, _ := p.MatchURI(c.Callbacks[0])
	return Verdict{Eligible: true, Preset: entry}
}

func refuse(r dcr.Reason, message string) Verdict {
	return Verdict{Reason: r, Message: message}
}

// quote makes a stranger's string fit for a line of text: quoted, escaped to
// printable ASCII, and cut.
func quote(s string) string {
	const longest = 120
	if len(s) <= longest {
		return strconv.QuoteToASCII(s)
	}
	return strconv.QuoteToASCII(s[:longest]) + "... (" + strconv.Itoa(len(s)) + " bytes)"
}
