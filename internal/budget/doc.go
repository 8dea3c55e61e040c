// Package budget decides when the process may make its next Management API
// call. There is one Budget for all of them.
//
// Auth0 limits calls by token buckets: a bucket holds a burst of tokens, each
// call takes one, and they come back at a steady rate. Three headers tell how
// a bucket stands, x-ratelimit-limit, -remaining and -reset; the rate is not
// among them, and neither is the plan. Free tenants have one bucket of 2 for
// everything, others have several, see
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/rate-limit-configurations
//
// The Budget therefore keeps, for each Group and for all together, a level: the
// number of tokens that are left for certain once every call under way has
// arrived. A call is let go when the level is at least one. Answers correct the
// level; between them it rises by a rate that is learned as a lower bound: what
// was seen to come back, divided by the time it had to. So the Budget is never
// the cause of a 429 once it has seen a header, and still uses nearly all there
// is. Whether groups share a bucket shows when an answer tells of fewer tokens
// than one way of counting explains and the other does.
//
// An answer that tells of fewer than both explain, and a 429, mean that others
// use the tenant. For ten minutes some tokens are then left for them, more when
// that was not enough, and the rate may be guessed at, for it cannot be proved.
//
// Urgent calls go before background ones, which leave a reserve. Among urgent
// calls the sources take turns. When none of the background calls of a group
// went for long, one takes its turn as one more source, so nothing waits for
// ever.
//
// # Reading the source
//
// budget.go has the way of a call; queue.go whose turn it is; bucket.go when a
// bucket lets a call go; learn.go what an answer teaches; sharing.go whether
// groups have one bucket; headers.go what the headers say.
package budget
