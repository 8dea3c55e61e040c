// Package auth0 is the Management API in our nouns. It is the only importer of
// go-auth0.
//
// Every request, of the SDK or our own, goes through one stack (transport.go):
// it waits for the budget, carries the token and a deadline, and has every
// answer but a 2xx turned into an *Error before the SDK sees it. The SDK
// retries 408, 429 and 5xx by sleeping without regard to the context, also
// after the last attempt and with retries switched off, so it must not see
// them. A 401 renews the token and is tried once more; nothing else is retried
// here.
//
// The token is kept across restarts and guarded (guard.go): tenants have few
// to give, so a refusal is not asked about again before its time.
package auth0
