// Package bench measures the built binary from outside, against a simulated
// tenant that takes 50 ms a call: how long a person waits, how many Management
// API calls it costs, what the webhook bears. It holds benchmarks only;
// scripts/bench prints their table.
package bench
