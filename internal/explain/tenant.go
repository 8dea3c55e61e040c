package explain

import (
	"strings"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/doctor"
)

// tenantCause is the cause that a finding about the tenant stands for; empty
// where it keeps no login from working, or the client's own look tells it better.
func tenantCause(c doctor.Code) Code {
	return map[doctor.Code]Code{
		doctor.APIMissing: APINotFound, doctor.APISigningAlg: SigningAlg, doctor.APIDeniesUsers: APIDeniesUsers,
		doctor.APINoOfflineAccess: RefreshNotAllowed, doctor.APIScopeUndefined: ScopesUndefined,
		doctor.GatewayResourceDiff: WrongAudience, doctor.ConnectionMissing: ConnectionNotFound,
		doctor.ConnectionInactive: ConnectionInactive, doctor.ConnectionNotDomainLevel: NotDomainLevel,
		doctor.RegistrationOff: RegistrationOff, doctor.ResourceNotAudience: ResourceIgnored,
		doctor.CIMDWithoutDocument: DocumentUnknown, doctor.RulesActive: RulesActive, doctor.HookActive: HookActive,
		doctor.OrganizationBlocks: OrganizationBlocks, doctor.DefaultGrantNarrower: GrantShadowsDefault,
		doctor.GrantShadowsDefault: GrantShadowsDefault, doctor.CapacityLow: LimitReached,
		doctor.StreamMissing: StreamStopped, doctor.StreamStopped: StreamStopped, doctor.StreamNoDenials: StreamStopped,
		doctor.StreamFilters: StreamStopped, doctor.ScopeMissing: ScopeMissing, doctor.CredentialsRefused: TokenRefused,
		doctor.DomainNotTenant: Unreachable, doctor.CapacityFull: LimitReached,
	}[c]
}

// byItself reports whether a problem of the tenant is the cause of a client's
// failing logins though no denial tells so. Others count once a denial or the
// client's own state points at them.
func byItself(c Code) bool {
	switch c {
	case APINotFound, APIDeniesUsers, SigningAlg, ResourceIgnored, ScopesUndefined, RefreshNotAllowed,
		RulesActive, HookActive, WrongAudience, NotDomainLevel, ConnectionNotFound, ConnectionInactive:
		return true
	default:
		return false
	}
}

// tenantWide tells of what is wrong for every client, and so for this one.
func (t *teller) tenantWide() {
	for _, f := range t.f.Findings {
		code := tenantCause(f.Code)
		shadows := code == GrantShadowsDefault && f.Subject == t.f.ID
		waits := code == StreamStopped && t.f.Record == nil
		if f.Severity != doctor.Problem && !shadows || !t.concerned(f) {
			continue
		}
		if byItself(code) || shadows || waits {
			t.addFinding(code, f)
		}
	}
}

// findings adds the tenant's findings that stand for a cause, and reports
// whether there are any.
func (t *teller) findings(code Code) bool {
	found := false
	for _, f := range t.f.Findings {
		if tenantCause(f.Code) == code && f.Severity != doctor.Unknown && t.concerned(f) {
			t.addFinding(code, f)
			found = true
		}
	}
	return found
}

// concerned reports whether a finding is about clients like this one, and one
// about a document, whether it is this one.
func (t *teller) concerned(f doctor.Finding) bool {
	if f.Code == doctor.CIMDWithoutDocument {
		return f.Subject == documentOf(t.f.ID)
	}
	mode := t.rec.SecurityMode
	if c := t.f.Live.Client; c != nil {
		mode = c.Mode()
	} else if mode == "" {
		mode = dcr.Client{ID: t.f.ID}.Mode()
	}
	return f.Mode == "" || f.Mode == mode
}

// documentOf is the client whose document is at a URL, by doctor's list; empty
// where it is nobody's on it.
func documentOf(url string) string {
	for _, all := range doctor.Documents() {
		for _, d := range all {
			if d.URL == url {
				return d.Client
			}
		}
	}
	return ""
}

// addFinding adds a cause with the finding's own fix, which knows the tenant.
func (t *teller) addFinding(code Code, f doctor.Finding) {
	c := t.diagnose(code, "The tenant ("+string(f.Code)+"): "+display.Line(f.Message, maxText))
	var ways []string
	for _, way := range []string{f.Fix.Dashboard, f.Fix.Setting} {
		if way != "" {
			ways = append(ways, strings.TrimSuffix(display.Line(way, maxText), "."))
		}
	}
	if len(ways) > 0 {
		c.Fix = strings.Join(ways, "; or ") + "."
	}
	if f.Fix.Command != "" {
		c.Command = whole(f.Fix.Command)
	}
	t.add(c)
}
