// Package explain tells one client's story in plain words: where it came from,
// what it has and lacks and how that is known, why its logins were turned away,
// and who has to do what next. Tell is pure; the facts are gathered elsewhere.
package explain
