// Package tenantsim is a simulated Auth0 tenant that speaks real HTTP.
//
// It is what tests, benchmarks and the demo talk to in place of Auth0. It
// follows what Auth0 documents and what recorded exchanges show; where neither
// says what happens, a field of Quirks chooses, and the zero value is the most
// likely behaviour. It uses the standard library only and imports nothing else
// of this module, so that it cannot share the module's mistakes.
//
// A Tenant is an http.Handler. Start makes it listen on a loopback address:
//
//	tenant, err := tenantsim.Start(tenantsim.Options{Domain: "acme.us.auth0.com"})
//	…
//	defer tenant.Close()
//	tenant.AddM2M("m2m", "secret", "read:clients", "update:clients")
//	chatgpt, err := tenant.Register(tenantsim.ChatGPT("abc123"))
//
// The audience of Management API tokens is https://Domain/api/v2/, also when
// the tenant is reached at its loopback address.
//
// # Reading the source
//
// tenant.go has the life of a request; route.go lists every endpoint with its
// scopes. Then one subject a file: client*.go, grant.go, connection*.go, api.go,
// register.go, cimd.go, settings.go, token.go, log*.go, stream*.go. fault.go,
// limit.go and quirks.go are what a test turns.
//
// # What it does not do
//
// Tokens look like JSON Web Tokens, but their signatures are random and the
// published key verifies none of them. There are no users, roles or custom
// domains, and organizations, Rules and Hooks are only listed. Login answers
// whether a login would work, without a browser.
package tenantsim
