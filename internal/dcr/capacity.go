package dcr

// Totals are how many applications and client grants a tenant has, of all kinds:
// they share the limits with everything else that people made.
type Totals struct{ Applications, Grants int }

// Limits are how many applications and client grants a tenant may have.
type Limits struct {
	Plan                 string // the subscription, or a kind of it that has these limits
	Guessed              bool   // from what the tenant shows; nobody said so
	Applications, Grants int    // 1 or more
}

// planLimits are the limits of the subscriptions, the smallest first. Auth0 has
// no call that tells them.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/entity-limit-policy
func planLimits() []Limits {
	return []Limits{
		{Plan: "free", Applications: 10, Grants: 100},
		{Plan: "essentials", Applications: 100, Grants: 10_000},
		{Plan: "professional", Applications: 100, Grants: 10_000},
		{Plan: "enterprise", Applications: 100_000, Grants: 100_000},
	}
}

// PlanLimits are the limits of a subscription as GRANTD_PLAN names it, false for
// one that is not known.
func PlanLimits(plan string) (Limits, bool) {
	for _, l := range planLimits() {
		if l.Plan == plan {
			return l, true
		}
	}
	return Limits{}, false
}

const (
	// freeBurst and enterpriseBurst are how many calls the Management API takes
	// at once: up to so many of free tenants, and from so many on of
	// Enterprise ones in production. What is between is a paid tenant, or one
	// of Enterprise that is not for production.
	// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/rate-limit-configurations
	freeBurst, enterpriseBurst = 2, 50
)

// GuessLimits guesses the limits by the largest rate limit that Auth0 told of,
// and by what there is: who has more than a subscription allows has another
// one. It guesses the smaller of two: too early a warning is better than none.
// False while no rate limit is known, 0.
func GuessLimits(burst int, has Totals) (Limits, bool) {
	if burst <= 0 {
		return Limits{}, false
	}
	plans := planLimits()
	free, paid, enterprise := plans[0], plans[1], plans[3]
	paid.Plan = "essentials or professional"
	for _, guess := range []struct {
		burst int // up to this
		Limits
	}{{freeBurst, free}, {enterpriseBurst - 1, paid}} {
		if burst <= guess.burst && has.Applications <= guess.Applications && has.Grants <= guess.Grants {
			guess.Guessed = true
			return guess.Limits, true
		}
	}
	enterprise.Guessed = true
	return enterprise, true
}

// Capacity is how full a tenant is.
type Capacity struct {
	Totals
	Limits Limits
}

// Scarce reports whether four fifths of the limit are taken.
func Scarce(has, limit int) bool { return limit > 0 && 5*has >= 4*limit }
