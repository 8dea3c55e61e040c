package tenantsim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The subset of Lucene's query syntax that log search takes.
// https://auth0.com/docs/deploy-monitor/logs/log-search-query-syntax
//
//	query  = and { ["OR"] and }
//	and    = not { "AND" not }
//	not    = ["NOT" | "-" | "+"] term
//	term   = "(" query ")" | [field ":"] value
//	value  = "(" query ")" | word | "\"phrase\"" | "[" low "TO" high "]"

// matcher says whether an entry matches.
type matcher func(*Log) bool

type queryToken struct {
	text   string
	quoted bool
}

func (q queryToken) is(s string) bool { return !q.quoted && q.text == s }

type queryParser struct {
	tokens []queryToken
	depth  int
}

// maxQueryDepth bounds parentheses.
const maxQueryDepth = 32

func badLogQuery(why string) *Error {
	return &Error{400, "invalid_query", "Failed to parse query: " + why}
}

// parseQuery reads a search; an empty one matches everything.
func parseQuery(q string) (matcher, *Error) {
	if !utf8.ValidString(q) {
		return nil, badLogQuery("not UTF-8")
	}
	tokens, err := scanQuery(q)
	if err != nil {
		return nil, badLogQuery(err.Error())
	}
	p := &queryParser{tokens: tokens}
	if len(tokens) == 0 {
		return func(*Log) bool { return true }, nil
	}
	m, err := p.or("")
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0].text)
	}
	if err != nil {
		return nil, badLogQuery(err.Error())
	}
	return m, nil
}

func scanQuery(q string) ([]queryToken, error) {
	var out []queryToken
	for i := 0; i < len(q); {
		switch c := q[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.IndexByte("()[]{}:", c) >= 0:
			out = append(out, queryToken{text: q[i : i+1]})
			i++
		case c == '"':
			phrase, n, ok := scanPhrase(q[i+1:])
			if !ok {
				return nil, fmt.Errorf("a quote is not closed")
			}
			out = append(out, queryToken{phrase, true})
			i += n + 1
		default:
			n := wordLength(q[i:], len(out) > 0 && (out[len(out)-1].is("[") || out[len(out)-1].is("{") || out[len(out)-1].is("TO")))
			out = append(out, queryToken{text: strings.ReplaceAll(q[i:i+n], `\`, "")})
			i += n
		}
	}
	return out, nil
}

func scanPhrase(s string) (string, int, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), i + 1, true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

// wordLength is how far a word goes. A date in a range keeps its colons.
func wordLength(s string, inRange bool) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
		case c == ':' && inRange:
		case strings.IndexByte(" \t\r\n()[]{}:\"", c) >= 0:
			return max(i, 1)
		}
	}
	return len(s)
}

func (p *queryParser) peek(s string) bool { return len(p.tokens) > 0 && p.tokens[0].is(s) }

func (p *queryParser) accept(s string) bool {
	if !p.peek(s) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *queryParser) next() (queryToken, error) {
	if len(p.tokens) == 0 {
		return queryToken{}, fmt.Errorf("unexpected end")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t, nil
}

func (p *queryParser) or(field string) (matcher, error) {
	left, err := p.and(field)
	for err == nil && len(p.tokens) > 0 && !p.peek(")") {
		p.accept("OR")
		var right matcher
		if right, err = p.and(field); err == nil {
			a := left
			left = func(l *Log) bool { return a(l) || right(l) }
		}
	}
	return left, err
}

func (p *queryParser) and(field string) (matcher, error) {
	left, err := p.not(field)
	for err == nil && (p.accept("AND") || p.peek("NOT")) {
		var right matcher
		if right, err = p.not(field); err == nil {
			a := left
			left = func(l *Log) bool { return a(l) && right(l) }
		}
	}
	return left, err
}

func (p *queryParser) not(field string) (matcher, error) {
	if p.accept("NOT") {
		m, err := p.not(field)
		return func(l *Log) bool { return !m(l) }, err
	}
	return p.term(field)
}

func (p *queryParser) term(field string) (matcher, error) {
	if p.accept("(") {
		if p.depth++; p.depth > maxQueryDepth {
			return nil, fmt.Errorf("too many parentheses")
		}
		m, err := p.or(field)
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		p.depth--
		return m, err
	}
	if field == "" && len(p.tokens) > 1 && p.tokens[1].is(":") {
		name, _ := p.next()
		p.accept(":")
		if negated, ok := strings.CutPrefix(name.text, "-"); ok && !name.quoted {
			m, err := p.term(negated)
			return func(l *Log) bool { return !m(l) }, err
		}
		return p.term(strings.TrimPrefix(name.text, "+"))
	}
	if p.peek("[") || p.peek("{") {
		return p.between(field)
	}
	t, err := p.next()
	switch {
	case err != nil:
		return nil, err
	case !t.quoted && slices.Contains(strings.Fields("AND OR NOT TO ( ) [ ] { } :"), t.text):
		return nil, fmt.Errorf("unexpected %q", t.text)
	}
	return equals(field, t), nil
}

// between is a range; [ and ] include their ends, { and } do not.
func (p *queryParser) between(field string) (matcher, error) {
	open, _ := p.next()
	low, err := p.next()
	if err != nil || !p.accept("TO") {
		return nil, fmt.Errorf("a range needs TO")
	}
	high, err := p.next()
	if err != nil {
		return nil, err
	}
	end, err := p.next()
	if err != nil || !end.is("]") && !end.is("}") {
		return nil, fmt.Errorf("a range is not closed")
	}
	from, to := bound(field, low.text), bound(field, high.text)
	return func(l *Log) bool {
		v := l.field(field)
		return (low.text == "*" || v > from || v == from && open.is("[")) &&
			(high.text == "*" || v < to || v == to && end.is("]"))
	}, nil
}

// bound writes a date as entries have it, so that texts compare as times.
func bound(field, s string) string {
	if field != "date" {
		return s
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			return stamp(at)
		}
	}
	return s
}

// equals matches a whole value, with regard to case; an unquoted word may have
// the wildcards * and ?. Without a field any of them will do.
func equals(field string, t queryToken) matcher {
	match := func(v string) bool { return v == t.text }
	if !t.quoted && strings.ContainsAny(t.text, "*?") {
		pattern := regexp.QuoteMeta(t.text)
		pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, `\*`, ".*"), `\?`, ".")
		match = regexp.MustCompile("(?s)^" + pattern + "$").MatchString // quoted: always a valid expression
	}
	if field != "" {
		if field == "date" {
			want := bound(field, t.text)
			return func(l *Log) bool { return stamp(l.Date) == want || match(stamp(l.Date)) }
		}
		return func(l *Log) bool {
			v := l.field(field)
			return v != "" && match(v)
		}
	}
	return func(l *Log) bool {
		for _, f := range []string{"type", "description", "client_id", "client_name", "connection", "hostname", "ip", "log_id", "strategy", "user_id", "user_name"} {
			if v := l.field(f); v != "" && match(v) {
				return true
			}
		}
		return false
	}
}

// field is the value of a searchable field; details are not searchable.
func (l *Log) field(name string) string {
	switch name {
	case "type":
		return l.Type
	case "description":
		return l.Description
	case "date":
		return stamp(l.Date)
	case "client_id":
		return l.ClientID
	case "client_name":
		return l.ClientName
	case "connection":
		return l.Connection
	case "hostname":
		return l.Hostname
	case "ip":
		return l.IP
	case "log_id", "_id":
		return l.ID
	case "strategy":
		return l.Strategy
	case "user_id":
		return l.UserID
	case "user_name":
		return l.UserName
	case "user_agent":
		return l.UserAgent
	case "audience":
		return l.Audience
	case "scope":
		return l.Scope
	}
	return ""
}
