// Package torture holds tests that treat the built grantd as badly as the world
// may: kill -9 at its worst moments and at any moment (crash), and hours of mixed
// load in bad weather (soak). They look at the tenant, the ledger file and the
// public interfaces only.
//
// A plain `go test` does a few rounds of the first. scripts/torture does
// thousands, and the second.
package torture
