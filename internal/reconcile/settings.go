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
	// StormAfter is how many eligible clients may register in 10 minutes; 20
	// when zero. Those beyond wait behind everything else or, with StormHold, for
	// a person to release them.
	StormAfter int
	StormHold  bool
}
