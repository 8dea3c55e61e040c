package page

import (
	"time"

	"grantd/internal/dcr"
	"grantd/internal/health"
)

// healthView is how grantd is doing, in words.
type healthView struct {
	Status   string // ok, degraded, down, and starting while nothing was tried
	Word     string // the same for people
	Sentence string
	Reasons  []reasonView
	Up       string // for how long
	Since    moment
	DryRun   bool
}

// reasonView is one thing that is wrong. What to do about it stands among what
// needs a person, Below.
type reasonView struct {
	Code, Title  string
	Message, Fix dcr.Text
	Below        string
}

func (p *Page) health(r health.Report, checks []health.Check, now time.Time) healthView {
	v := healthView{Status: string(r.Status), Since: at(p.started, now), Up: rough(now.Sub(p.started)), DryRun: p.o.About().DryRun}
	for _, c := range checks {
		if !c.Failing {
			continue
		}
		reason := reasonView{Code: string(c.Code), Title: title(string(c.Code)), Message: c.Message, Fix: c.Fix}
		if c.Code == dcr.ManagementFailing && r.ManagementAPI.LastError != "" {
			last := r.ManagementAPI.LastError.Info()
			reason.Fix = dcr.Text("The last error was `"+last.Reason+"`: ") + last.Meaning + " " + last.Fix
		}
		v.Reasons = append(v.Reasons, reason)
	}
	switch r.Status {
	case health.StatusOK:
		v.Word, v.Sentence = "Healthy", "Clients that register get what they need."
	case health.StatusDown:
		v.Word, v.Sentence = "Down", "grantd cannot do its job: clients that register now wait."
	default:
		v.Word, v.Sentence = "Degraded", "grantd works, and part of it does not, or a person should look."
		if len(v.Reasons) == 1 && v.Reasons[0].Code == string(dcr.Starting) {
			v.Status, v.Word, v.Sentence = string(dcr.Starting), "Starting", "Nothing has been tried yet."
		}
	}
	return v
}
