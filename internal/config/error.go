package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FieldError says what is wrong with one variable, or with one line of the env
// file, and what to do about it.
type FieldError struct {
	Name    string // the variable; empty if the env file itself is at fault
	Value   string // what it was, quoted; empty for secrets and whatever may hold one
	Where   string // FILE or FILE:LINE; empty for the process environment and defaults
	Problem string // lower case, no full stop
	Hint    string // what to write instead; may be empty
}

// Error is one line: name, problem, value, place and hint.
func (e *FieldError) Error() string {
	var b strings.Builder
	subject := e.Name
	if subject == "" {
		subject = e.Where
	}
	b.WriteString(subject + ": " + e.Problem)
	if e.Value != "" {
		b.WriteString(", got " + e.Value)
	}
	if e.Name != "" && e.Where != "" {
		b.WriteString(" (" + e.Where + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Errors are all that is wrong with a configuration, in the table's order. It
// is what Load returns.
type Errors []*FieldError

// Error has one line for each.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a FieldError.
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// sorted puts the env file's own errors first, by line as they came, then the
// variables in the table's order.
func (es Errors) sorted(table []Variable) Errors {
	rank := make(map[string]int, len(table))
	for i, v := range table {
		rank[v.Name] = i + 1
	}
	slices.SortStableFunc(es, func(a, b *FieldError) int { return cmp.Compare(rank[a.Name], rank[b.Name]) })
	return es
}

// Notice is something a person should know that keeps nothing from working.
type Notice struct {
	Name    string `json:"name"`    // the variable; may be empty
	Message string `json:"message"` // one line, without secrets
}

// String is the notice in one line.
func (n Notice) String() string {
	if n.Name == "" {
		return n.Message
	}
	return n.Name + ": " + n.Message
}

// problem is what a parser returns; Load makes a FieldError of it.
type problem struct{ text, hint string }

func (p *problem) Error() string { return p.text }

func wrong(hint, format string, args ...any) error {
	return &problem{fmt.Errorf(format, args...).Error(), hint}
}

// problems takes a parser's error apart.
func problems(err error) []*problem {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*problem
		for _, e := range many.Unwrap() {
			all = append(all, problems(e)...)
		}
		return all
	}
	if p, ok := errors.AsType[*problem](err); ok {
		return []*problem{p}
	}
	return []*problem{{text: err.Error()}}
}

// quote makes a value fit for a line of text: printable ASCII, and cut. What
// has an @ may be a URL with a password, so it is not shown at all.
func quote(s string) string {
	const longest = 120
	switch {
	case strings.Contains(strings.TrimPrefix(s, "@"), "@"):
		return ""
	case len(s) > longest:
		return strconv.QuoteToASCII(s[:longest]) + "... (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return strconv.QuoteToASCII(s)
}
