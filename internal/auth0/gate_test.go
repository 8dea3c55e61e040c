package auth0_test

import (
	"context"
	"errors"
	"testing"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// What is asked before a request is sent can keep it from being sent, whatever
// was decided before, and says why. The rate limit goes on as if it had been.
func TestGate(t *testing.T) {
	tenant, c, id := simulated(t, tenantsim.Options{})
	stop := errors.New("changed my mind")
	asked := 0
	ctx := auth0.WithGate(t.Context(), func(context.Context) error {
		if asked++; asked == 1 {
			return nil
		}
		return stop
	})
	kinds := dcr.ClientPatch{GrantTypes: []string{"authorization_code"}}
	if _, err := c.PatchClient(ctx, "", id, kinds); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PatchClient(ctx, "", id, kinds); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if n := len(tenant.Writes()); n != 1 || asked != 2 {
		t.Errorf("%d writes, asked %d times", n, asked)
	}
	if _, err := c.Client(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// A token that was refused does not get a request past the gate.
func TestGateAfterRefusedToken(t *testing.T) {
	tenant, c, id := simulated(t, tenantsim.Options{})
	tenant.FailNext(1, tenantsim.ExpiredToken, nil)
	asked := 0
	ctx := auth0.WithGate(t.Context(), func(context.Context) error {
		if asked++; asked == 1 {
			return nil
		}
		return context.Canceled
	})
	if _, err := c.PatchClient(ctx, "", id, dcr.ClientPatch{GrantTypes: []string{"authorization_code"}}); err == nil {
		t.Error("the request got through")
	}
	if n := len(tenant.Writes()); n != 1 || asked != 2 {
		t.Errorf("%d writes, asked %d times", n, asked)
	}
}
