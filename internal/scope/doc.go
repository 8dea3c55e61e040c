// Package scope knows the scopes that every eligible client shall be granted:
// the fixed ones of the environment together with what a file and a URL say.
//
// A source is another party that may fail, and a grant that loses a scope locks
// people out. So what a source said last stays in force until it says something
// else, across restarts; what it adds is in force at once; and what it leaves
// out goes only after it has read the same for a while:
//
//	reads            in force (last good: a b)
//	a b c            a b c      more: this is the last good now
//	a c              a b c      b is missing; the rest is in force
//	a c, 30 s later  a c        settled
//	error, empty     a c        nothing is taken away, and Failing says so
//
// Where a person asked for it (a start, a reload, a command), less is in force
// at once too. Until every source has told something, now or in an earlier run,
// the union is not known: applying the part that is would take away what the
// missing source had granted. Nothing may be granted then.
package scope
