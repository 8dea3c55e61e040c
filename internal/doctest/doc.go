// Package doctest reads the Markdown pages of this repository as tests need
// them: headings, links and code. Its own test holds every link to what it
// names; internal/cli holds the commands, variables and codes.
//
// It knows as much of Markdown as the pages use: fences, code spans, headings
// that begin with #, links of the form [text](target).
package doctest
