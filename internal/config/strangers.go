package config

import (
	"slices"
	"strings"
)

// prefix is what the names of grantd's own variables begin with.
const prefix = "GRANTD_"

// knownNames are all names that mean something in an environment.
func knownNames(table []Variable) []string {
	var all []string
	for _, v := range table {
		all = append(all, v.names()...)
	}
	return all
}

func known(name string) bool { return slices.Contains(knownNames(Variables()), name) }

// strangers notices names that were probably meant to be one of ours. What is
// in the env file is not named unless it is clearly a variable of ours: it may
// be a piece of a secret that was broken over lines.
func (l *lookup) strangers(table []Variable) {
	// Further off than this, it is another program's variable.
	const tolerated = 2
	names := knownNames(table)
	for _, name := range l.sortedNames() {
		if slices.Contains(names, name) {
			continue
		}
		a, inFile := l.file[name]
		_, inEnv := l.env[name]
		meant, d := nearest(name, names)
		switch {
		case strings.HasPrefix(name, prefix) && isName(name):
			where := "in the process environment"
			if inFile && !inEnv {
				where = "at " + l.place(a.Line)
			}
			l.notice(name, "unknown variable %s; did you mean %s?", where, meant)
		case inFile && d <= tolerated:
			l.notice("", "%s: unknown variable; did you mean %s?", l.place(a.Line), meant)
		case inFile:
			l.notice("", "%s: not a variable of grantd; ignored", l.place(a.Line))
		}
	}
}

// sortedNames are all names of both environments, each once.
func (l *lookup) sortedNames() []string {
	var all []string
	for name := range l.env {
		all = append(all, name)
	}
	for name := range l.file {
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
