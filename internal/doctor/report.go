package doctor

import (
	"slices"

	"grantd/internal/dcr"
)

// Report is what doctor has to say.
type Report struct {
	Schema    int              `json:"schema"`
	Tenant    string           `json:"tenant"`
	Audience  string           `json:"audience"`
	CheckedAt dcr.Timestamp    `json:"checked_at"`
	TookMS    int64            `json:"took_ms"`
	Calls     int              `json:"calls"`          // of the Management API
	Mode      dcr.SecurityMode `json:"mode,omitempty"` // of clients that register; absent: the tenant does not say
	Findings  []Finding        `json:"findings"`
	Fine      []string         `json:"fine"` // what was looked at and is in order
	Capacity  Capacity         `json:"capacity"`
}

// schema of Report. It changes when a member changes its meaning or goes.
const schema = 1

// Diagnose turns facts into a report.
func Diagnose(f Facts) Report {
	x := examine(f)
	r := Report{
		Schema: schema, Tenant: f.Domain, Audience: f.Audience,
		CheckedAt: dcr.Timestamp{Time: f.CheckedAt.UTC()}, TookMS: f.Took.Milliseconds(), Calls: f.Calls,
		Mode: f.mode(), Findings: x.findings, Fine: []string{}, Capacity: f.capacity(),
	}
	for _, k := range Kinds() {
		wrong := slices.ContainsFunc(x.findings, func(one Finding) bool { return one.Code == k.Code })
		if x.seen[k.Code] && !wrong && k.Fine != "" {
			r.Fine = append(r.Fine, k.Fine)
		}
	}
	return r
}

// Problems reports whether there is something to act on.
func (r Report) Problems() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Problem })
}
