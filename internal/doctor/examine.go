package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

const (
	// tolerated is how far the clocks may differ.
	tolerated = 10 * time.Second
	// shown is how many things of a kind get a finding of their own, and listed
	// how many are named in one.
	shown, listed = 50, 10
)

// Examine turns facts into findings, the gravest first, else in the order of
// Kinds.
func Examine(f Facts) []Finding { return examine(f).findings }

// examination is Examine at work.
type examination struct {
	f        Facts
	findings []Finding
	seen     map[Code]bool // the codes that were looked for
}

func examine(f Facts) *examination {
	x := &examination{f: f, seen: map[Code]bool{}, findings: []Finding{}}
	x.access()
	if f.NotTenant == "" && f.Refused == "" {
		x.api()
		x.connections()
		x.settings()
		x.atLogin()
		x.grants()
		x.stream()
		x.capacity()
		x.notLooked()
	}
	x.gateway()
	x.webhook()
	order := map[Code]int{}
	for i, k := range Kinds() {
		order[k.Code] = i
	}
	grave := map[Severity]int{Problem: 0, Warning: 1, Unknown: 2}
	slices.SortStableFunc(x.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(grave[a.Severity], grave[b.Severity]), cmp.Compare(order[a.Code], order[b.Code]))
	})
	return x
}

// looks notes that these codes were looked for.
func (x *examination) looks(codes ...Code) {
	for _, c := range codes {
		x.seen[c] = true
	}
}

// found adds a finding. values fill the names in its fix.
func (x *examination) found(c Code, subject, message string, values ...string) {
	k := kindOf(c)
	if message == "" {
		message = k.Found
	}
	x.looks(c)
	x.findings = append(x.findings, Finding{
		Code: c, Severity: k.Severity, Subject: subject, Message: message, Breaks: k.Breaks,
		Fix: x.fix(k.Fix, values...), Mode: k.Mode,
	})
}

// access is about the domain, the credentials and the scopes.
func (x *examination) access() {
	f := x.f
	x.looks(DomainNotTenant)
	if f.NotTenant != "" {
		x.found(DomainNotTenant, f.Domain, fmt.Sprintf("%s answers, but not as an Auth0 tenant does: %s.", f.Domain, stripped(f.NotTenant)))
		return
	}
	x.looks(CredentialsRefused)
	if f.Refused != "" {
		x.found(CredentialsRefused, f.ClientID, fmt.Sprintf("Auth0 refuses the credentials of application %s: %s.", f.ClientID, stripped(f.Refused)))
		return
	}
	if f.Noticed.SkewKnown {
		x.looks(ClockSkew)
		if d := f.Noticed.Skew; d.Abs() > tolerated {
			way := "behind"
			if d < 0 {
				way = "ahead of"
			}
			x.found(ClockSkew, "", fmt.Sprintf("This machine's clock is %v %s Auth0's.", d.Abs(), way))
		}
	}
	if f.GrantedOK {
		x.scopes()
	}
}

// judgeScopes tells which Management API scopes are missing, unneeded, and
// harmful.
func (f *Facts) judgeScopes(granted []string) (missing, unneeded, harmful []string) {
	for _, s := range f.Needed {
		if !slices.Contains(granted, s) {
			missing = append(missing, s)
		}
	}
	fit := slices.Concat(f.Needed, f.Useful, LookScopes())
	for _, s := range granted {
		switch {
		case s == "read:client_keys", s == "read:client_credentials":
			harmful = append(harmful, s)
		case !slices.Contains(fit, s):
			unneeded = append(unneeded, s)
		}
	}
	return missing, unneeded, harmful
}

func (x *examination) scopes() {
	missing, unneeded, harmful := x.f.judgeScopes(x.f.Granted)
	x.looks(ScopeMissing, ScopeUnneeded, ScopeHarmful)
	add := func(c Code, scopes []string, message string) {
		for i, s := range scopes {
			if i == shown {
				x.found(c, fmt.Sprintf("%d more", len(scopes)-i), "", scopeList(scopes)...)
				break
			}
			x.found(c, s, fmt.Sprintf(message, s), scopeList(scopes)...)
		}
	}
	add(ScopeMissing, missing, "grantd's application lacks %s, which grantd needs.")
	add(ScopeUnneeded, unneeded, "grantd's application has %s, which grantd never uses.")
	add(ScopeHarmful, harmful, "grantd's application has %s, which does harm.")
}

// look is one look, for whether it came off.
type look struct {
	subject string // what was looked at, in words
	err     error
	asked   bool
}

func (f *Facts) looks() []look {
	all := []look{
		{"the tenant's settings", f.Settings.Err, f.Settings.Asked},
		{"the API", there(f.API.Err), f.API.Asked},
	}
	for i, c := range f.Connected {
		all = append(all, look{"the connection " + f.Connections[i], there(c.Err), c.Asked})
	}
	all = append(all,
		look{"log streams", f.Streams.Err, f.Streams.Asked},
		look{"Rules", f.Rules.Err, f.Rules.Asked},
		look{"Hooks", f.Hooks.Err, f.Hooks.Asked},
		look{"organizations", f.Organizations.Err, f.Organizations.Asked},
		look{"default grants", f.Defaults.Err, f.Defaults.Asked},
		look{"clients' own grants", f.Grants.Err, f.Grants.Asked},
		look{"the number of applications", f.ClientCount.Err, f.ClientCount.Asked},
		look{"the number of client grants", f.GrantCount.Err, f.GrantCount.Asked},
	)
	for i, d := range f.Registered {
		all = append(all, look{"the document of " + f.Documents[i].Client, d.Err, d.Asked})
	}
	return slices.DeleteFunc(all, func(l look) bool { return !l.asked })
}

// there is the error of a look at something that may not be there: to find that
// is to have looked.
func there(err error) error {
	if errors.Is(err, auth0.ErrNotFound) {
		return nil
	}
	return err
}

// notLooked tells what could not be looked at, and which scopes would help.
func (x *examination) notLooked() {
	f := x.f
	if !f.GrantedOK {
		x.unknown("Management API scopes", "Auth0 does not say which scopes the token has.", nil)
	}
	var scopes []string
	lacking := func(err error) string {
		if e, ok := errors.AsType[*auth0.Error](err); ok && e.Reason == dcr.MissingScope {
			return first(e.Scope)
		}
		return ""
	}
	for _, l := range f.looks() {
		if s := lacking(l.err); s != "" && !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	for _, l := range f.looks() {
		switch s := lacking(l.err); {
		case s != "":
			x.unknown(l.subject, fmt.Sprintf("Not looked at, for want of %s: %s.", s, l.subject), scopes)
		case l.err != nil:
			x.unknown(l.subject, fmt.Sprintf("Could not look at %s: %s.", l.subject, stripped(brief(l.err))), nil)
		}
	}
	for _, name := range f.Connections[min(len(f.Connections), maxConnections):] {
		x.unknown("the connection "+name, fmt.Sprintf("Not looked at, because the first %d are: the connection %s.", maxConnections, name), nil)
	}
	if told := f.Resource; !f.ScopesKnown && (!told.Asked || told.ok() && told.Value == f.Audience) {
		x.unknown("the API's scopes", "No scope source has told yet which scopes there shall be.", nil)
	}
	x.more()
}

// more tells of lists of which the beginning was looked at.
func (x *examination) more() {
	f := x.f
	if f.Organizations.ok() && f.Organizations.Value.More {
		x.unknown("more organizations", fmt.Sprintf("The first %d organizations were looked at; there are more.", len(f.Organizations.Value.List)), nil)
	}
	if len(f.Defaults.Value) > 0 && f.Grants.ok() && f.Grants.Value.More {
		x.unknown("more of clients' own grants", fmt.Sprintf("The first %d grants of clients themselves were looked at; there are more.", len(f.Grants.Value.List)), nil)
	}
}

func (x *examination) unknown(subject, message string, scopes []string) {
	x.found(NotLooked, subject, message, scopeList(scopes)...)
	if last := &x.findings[len(x.findings)-1]; scopes == nil {
		last.Fix = Fix{}
	}
}

// first is the first of alternatives.
func first(scopes string) string {
	s, _, _ := strings.Cut(scopes, ",")
	return s
}

// stripped is a text without the dot at its end.
func stripped(s string) string { return strings.TrimRight(s, ". ") }
