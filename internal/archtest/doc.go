// Package archtest has no code, only a test: it holds the module's import graph
// to the order of the packages, and docs/architecture.md to both.
package archtest
