package dcr_test

import (
	"testing"
	"time"

	"grantd/internal/dcr"
)

func TestHoldCovers(t *testing.T) {
	field := dcr.Hold{Scope: dcr.HoldField, ClientID: "a", Field: dcr.StepGrant}
	anyClient := dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepDomainLevel}
	client := dcr.Hold{Scope: dcr.HoldClient, ClientID: "a"}
	tests := []struct {
		name   string
		h      dcr.Hold
		client string
		step   dcr.StepKind
		want   bool
	}{
		{"field", field, "a", dcr.StepGrant, true},
		{"other field", field, "a", dcr.StepPromote, false},
		{"field of another client", field, "b", dcr.StepGrant, false},
		{"field of every client", anyClient, "b", dcr.StepDomainLevel, true},
		{"other field of every client", anyClient, "b", dcr.StepGrant, false},
		{"client", client, "a", dcr.StepConnect, true},
		{"other client", client, "b", dcr.StepConnect, false},
		{"all", dcr.Hold{Scope: dcr.HoldAll}, "b", dcr.StepGrant, true},
		{"none", dcr.Hold{}, "", "", false},
	}
	for _, tt := range tests {
		if got := tt.h.Covers(tt.client, tt.step); got != tt.want {
			t.Errorf("%s: Covers(%q, %q) = %v, want %v", tt.name, tt.client, tt.step, got, tt.want)
		}
	}
}

func TestHoldActive(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for until, want := range map[time.Time]bool{{}: true, now: false, now.Add(time.Second): true, now.Add(-time.Second): false} {
		if got := (dcr.Hold{Until: until}).Active(now); got != want {
			t.Errorf("until %v: Active = %v, want %v", until, got, want)
		}
	}
}

func TestReleaseCommand(t *testing.T) {
	for want, h := range map[string]dcr.Hold{
		"grantd hold release tpc_a":                {Scope: dcr.HoldClient, ClientID: "tpc_a"},
		"grantd hold release -- -a":                {Scope: dcr.HoldClient, ClientID: "-a"},
		"grantd hold release --field domain_level": {Scope: dcr.HoldField, Field: dcr.StepDomainLevel},
		"grantd hold release":                      {Scope: dcr.HoldAll},
		"":                                         {Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.SwitchedOff},
	} {
		if got := h.ReleaseCommand(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
