package config

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Assignment is one line of an env file.
type Assignment struct {
	Name  string
	Value Secret // it may be one, so all of them are
	Line  int    // counted from 1
}

// LineError says what is wrong with one line of an env file, never what is in
// it: the line may hold a secret.
type LineError struct {
	Line    int
	Problem string
	Hint    string
}

// Error is the problem without its place.
func (e *LineError) Error() string { return e.Problem }

// ParseDotenv reads an env file: lines of NAME=VALUE, each optionally after the
// word export; blank lines, and comments that begin with # or ;. Spaces around
// name and value do not count, and neither do CRLF line ends or a byte order
// mark.
//
// A value stands as it is, up to a # after a space; or in single quotes, as it
// is; or in double quotes, where \n, \r, \t, \\, \", \$ and \` are escapes and
// any other backslash is itself. A value ends with its line, and nothing in it
// is expanded: $ is a dollar sign.
//
// Of files with neither escapes nor, outside of quotes, a # or a backslash, systemd's
// EnvironmentFile= makes the same
// (https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=).
//
// It returns the good lines, and an error for every bad one.
func ParseDotenv(data []byte) ([]Assignment, []*LineError) {
	var all []Assignment
	var errs []*LineError
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		name, value, err := parseLine(line)
		switch {
		case err != nil:
			err.Line = number
			errs = append(errs, err)
		case name != "":
			all = append(all, Assignment{name, NewSecret(value), number})
		}
	}
	return all, errs
}

// parseLine reads one line; an empty name says that it is blank or a comment.
func parseLine(line string) (name, value string, _ *LineError) {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, isControl) {
		return "", "", &LineError{Problem: "holds control characters or is not UTF-8", Hint: "is this the right file?"}
	}
	line = strings.Trim(line, " \t")
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", nil
	}
	name, rest, ok := strings.Cut(line, "=")
	if !ok {
		return "", "", &LineError{Problem: `has no "="`, Hint: "write NAME=VALUE, or begin a comment with #"}
	}
	name = strings.TrimRight(name, " \t")
	if after, ok := strings.CutPrefix(name, "export"); ok && after != strings.TrimLeft(after, " \t") {
		name = strings.TrimLeft(after, " \t")
	}
	if !isName(name) {
		return "", "", &LineError{Problem: `what is before the "=" is not a variable's name`, Hint: "names have letters, digits and _"}
	}
	value, err := parseValue(strings.TrimLeft(rest, " \t"), rest != strings.TrimLeft(rest, " \t"))
	return name, value, err
}

// parseValue reads what follows the "=" and the spaces after it.
func parseValue(s string, spaced bool) (string, *LineError) {
	if s == "" {
		return "", nil
	}
	var value, rest string
	var closed bool
	switch s[0] {
	case '\'':
		value, rest, closed = strings.Cut(s[1:], "'")
	case '"':
		value, rest, closed = unquote(s[1:])
	default:
		if end := commentAt(s, spaced); end >= 0 {
			s = s[:end]
		}
		s = strings.TrimRight(s, " \t")
		if strings.HasSuffix(s, `\`) {
			return "", &LineError{Problem: "ends with a backslash, and lines cannot be continued", Hint: "write the value in one line, or put it in single quotes"}
		}
		return s, nil
	}
	if !closed {
		return "", &LineError{Problem: "has a quote that is not closed", Hint: "a value ends with its line"}
	}
	after := strings.TrimLeft(rest, " \t")
	if after != "" && (after == rest || after[0] != '#') {
		return "", &LineError{Problem: "goes on after the closing quote", Hint: `write \" for a quote in a value, or put the value in single quotes`}
	}
	return value, nil
}

// unquote reads a double-quoted value from after its opening quote.
func unquote(s string) (value, rest string, closed bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s):
			i++
			switch e := s[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '\\', '"', '$', '`':
				b.WriteByte(e)
			default:
				b.WriteByte('\\')
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// commentAt is where a comment begins in an unquoted value, or -1. spaced says
// that a space came before s.
func commentAt(s string, spaced bool) int {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 && spaced || i > 0 && (s[i-1] == ' ' || s[i-1] == '\t')) {
			return i
		}
	}
	return -1
}

// isName reports whether s can be a variable's name (POSIX.1-2017, 3.235).
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || '9' < c) {
			return false
		}
	}
	return s != ""
}

// isControl reports whether r is a control character other than a tab.
func isControl(r rune) bool { return r != '\t' && (r < ' ' || r == 0x7f) }
