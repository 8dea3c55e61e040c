// Package doctor finds out what keeps clients from registering and people from
// logging in, and what to click or run about it. It only reads.
//
// Look asks the tenant, with a bounded number of calls whatever the tenant's
// size, and returns Facts. Examine is pure: it turns facts into findings. What
// cannot be looked at becomes a finding too, and the rest goes on.
package doctor
