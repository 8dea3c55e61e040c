package config

import (
	"regexp"
	"strings"
)

// What is said of a secret that others can guess.
const (
	makeSecret   = "make one with: openssl rand -hex 32"
	minSecretLen = 16 // bytes of a secret that is offered to the network
	minDifferent = 4  // different bytes in it
)

// placeholder is one way in which examples are worded.
type placeholder struct {
	about   string
	pattern string // of the lower-case text
	hint    string // instead of makeSecret
}

// placeholders are the wordings by which a text is known to be an example. They
// must not be found in what a generator makes (hex, base64, UUIDs, random
// punctuation), so that short ones are taken as whole words only.
func placeholders() []placeholder {
	const begins, ends = `(^|[^a-z0-9])`, `([^a-z0-9]|$)`
	const expanded = makeSecret + ", and write what it prints: nothing in a value is expanded"
	return []placeholder{
		{about: "change me", pattern: `change[-_ ]?(me|this|it)` + ends},
		{about: "change me, and more", pattern: `change[-_ ]?(me|this)[-_ ]?(please|now|before|to|in|secret)`},
		{about: "replace me", pattern: `replace[-_ ]?(me|this|with|by)` + ends},
		{about: "your secret", pattern: begins + `your[-_ ]`},
		{about: "your secret, in one word", pattern: `your(webhook|shared|admin|api|own|random|long|strong)?(secret|token|key)`},
		{about: "example", pattern: `example`},
		{about: "placeholder", pattern: `place[-_ ]?holder`},
		{about: "insert here", pattern: begins + `(insert|enter|paste|put)[-_ ]`},
		{about: "to do", pattern: begins + `(todo|fixme)` + ends},
		{about: "crossed out", pattern: begins + `x{4,}` + ends},
		{about: "password", pattern: `pass[-_ ]?word`},
		{about: "left out", pattern: `\.\.\.|…`},
		{about: "in angle brackets", pattern: `^<.*>$`},
		{about: "a variable or a command", pattern: "^(\\$\\(|\\$\\{|`|\\{\\{|%[a-z_]+%$)", hint: expanded},
		{about: "the command that makes one", pattern: `^openssl `, hint: expanded},
	}
}

// checkGuessable refuses a secret that stands open to others: one that an
// example left behind, or with hardly any bytes that differ. It says nothing of
// what the secret is.
func checkGuessable(s string) error {
	lower := strings.ToLower(s)
	for _, p := range placeholders() {
		if regexp.MustCompile(p.pattern).MatchString(lower) {
			if p.hint == "" {
				p.hint = makeSecret
			}
			return wrong(p.hint, "looks like an example, which is no secret")
		}
	}
	different := map[byte]bool{}
	for i := range len(s) {
		different[s[i]] = true
	}
	if len(different) < minDifferent {
		return wrong(makeSecret, "repeats itself, and needs at least %d different characters", minDifferent)
	}
	return nil
}
