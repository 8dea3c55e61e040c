package reconcile_test

import (
	"slices"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/reconcile"
)

// What is written because configuration changed was not drift.
func TestRepairedIsNotReconfigured(t *testing.T) {
	was := dcr.Record{Digest: "one", Conditions: dcr.Conditions{Granted: dcr.Condition{Status: true}}}
	o := dcr.Outcome{Record: was, Changes: []dcr.Change{{Step: dcr.StepGrant}}}
	if got := reconcile.Repaired(was, o); !slices.Equal(got, []dcr.StepKind{dcr.StepGrant}) {
		t.Errorf("an edit repaired %v, want the grant", got)
	}
	o.Record.Digest = "two"
	if got := reconcile.Repaired(was, o); got != nil {
		t.Errorf("a new configuration repaired %v, want nothing", got)
	}
}

// What a person has undone is no drift that was repaired.
func TestRepairedIsNotReverted(t *testing.T) {
	was := dcr.Record{Digest: "one", Conditions: dcr.Conditions{Granted: dcr.Condition{Status: true}}}
	o := dcr.Outcome{Record: was, Changes: []dcr.Change{{Step: dcr.StepGrant, Reverts: 1}}}
	if got := reconcile.Repaired(was, o); got != nil {
		t.Errorf("a revert repaired %v, want nothing", got)
	}
}
