// Package cli is the command line: one file for each command. Output goes to
// the command's writers, as text or with --json as JSON, and every command
// ends with an exit code that scripts can trust: 0 done, 1 failed, 2 usage or
// configuration, 3 found something to act on.
package cli
