package reconcile

import (
	"grantd/internal/plan"
	"grantd/internal/policy"
)

// Settings are what a reload can change. They are replaced as a whole, never
// edited.
type Settings struct {
	Desired     plan.Desired
	Policy      policy.Policy
	OwnClientID string // the application grantd itself logs in with
}
