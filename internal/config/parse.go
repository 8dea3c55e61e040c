package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"grantd/internal/policy"
	"grantd/internal/scope"
)

// checkSecret refuses what could not survive an HTTP header, or was pasted with
// something around it; and if it needs a length, what looks like an example. It
// says nothing of the secret but its length.
func checkSecret(s string, least int) error {
	var errs []error
	if len(s) < least {
		errs = append(errs, wrong(makeSecret, "has %d bytes, and needs at least %d", len(s), least))
	} else if least >= minSecretLen {
		errs = append(errs, checkGuessable(s))
	}
	switch {
	case strings.TrimSpace(s) != s:
		errs = append(errs, wrong("write the secret alone", "begins or ends with white space"))
	case strings.ContainsFunc(s, func(r rune) bool { return r == '\t' || isControl(r) }):
		errs = append(errs, wrong("write the secret alone, in one line", "holds a line break or another control character"))
	case len(s) > 7 && strings.EqualFold(s[:7], "Bearer "):
		errs = append(errs, wrong("write the secret alone; it is accepted with and without the word", `begins with "Bearer"`))
	}
	return errors.Join(errs...)
}

// parseClientID takes what Auth0 uses for client ids.
func parseClientID(raw string) (string, error) {
	const longest = 128
	s := strings.TrimSpace(raw)
	ok := len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && !alphanumeric(r)
	})
	if !ok {
		return "", wrong("copy the Client ID from the application's Settings", "is not a client id: letters, digits, - and _")
	}
	return s, nil
}

// parseAudience keeps every byte: Auth0 matches identifiers exactly.
func parseAudience(raw string) (string, error) {
	if strings.TrimSpace(raw) != raw || strings.ContainsFunc(raw, func(r rune) bool { return r == '\t' || isControl(r) }) {
		return "", wrong("write the API's Identifier as Auth0 shows it", "has white space around it or control characters in it")
	}
	return raw, nil
}

// parseScopes splits and checks scope tokens, and sorts them. The scopes of
// OpenID Connect are still among them.
func parseScopes(raw string) ([]string, error) {
	var errs []error
	all := scope.Split(raw)
	for _, s := range all {
		if !scope.Valid(s) {
			errs = append(errs, wrong("scopes are separated by commas or spaces, and have no quotes, backslashes or letters beyond ASCII", "%s is not a scope", strconv.QuoteToASCII(s)))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(errs...)
}

// splitCommas splits a list at its commas, and keeps its order; empty and
// repeated entries go.
func splitCommas(raw string) ([]string, error) {
	var all []string
	for s := range strings.SplitSeq(raw, ",") {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, wrong("name at least one, or leave the variable out for the default", "holds nothing but commas")
	}
	return all, nil
}

func parseConnections(raw string) ([]string, error) {
	const longest = 128
	all, err := splitCommas(raw)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range all {
		if len(s) > longest || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
			errs = append(errs, wrong("copy it from the connection's Settings; names are separated by commas", "%s is not a connection's name", strconv.QuoteToASCII(s)))
		}
	}
	return all, errors.Join(errs...)
}

func parseAllowed(c *Config, raw string) error {
	all, err := splitCommas(raw)
	if err != nil {
		return err
	}
	p, err := policy.Parse(all)
	if err != nil {
		return err
	}
	c.AllowedClients, c.Policy = all, p
	return nil
}

// oneOf parses one of several words.
func oneOf[T ~string](words ...T) func(string) (T, error) {
	return func(raw string) (T, error) {
		s := T(strings.ToLower(strings.TrimSpace(raw)))
		if !slices.Contains(words, s) {
			return "", wrong(fmt.Sprintf("write one of %s", join(words)), "is not one of the words known here")
		}
		return s, nil
	}
}

func join[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ", ")
}

// flag makes v read true or false into the field at.
func flag(v Variable, at func(*Config) *bool) Variable {
	v.parse = func(c *Config, raw string) error {
		switch strings.ToLower(strings.TrimSpace(raw)) {
		case "true", "yes", "on", "1":
			*at(c) = true
		case "false", "no", "off", "0":
			*at(c) = false
		default:
			return wrong("write true or false", "is neither true nor false")
		}
		return nil
	}
	v.show = func(c *Config) string { return strconv.FormatBool(*at(c)) }
	return v
}

// number makes v read a whole number from 1 to most into the field at.
func number(v Variable, at func(*Config) *int, most int) Variable {
	v.parse = func(c *Config, raw string) error {
		n, err := strconv.Atoi(strings.TrimSpace(raw))
		if err != nil || n < 1 || n > most {
			return wrong("write a number such as "+v.Default, "is not a whole number from 1 to %d", most)
		}
		*at(c) = n
		return nil
	}
	v.show = func(c *Config) string { return strconv.Itoa(*at(c)) }
	return v
}

func parseLevel(c *Config, raw string) error {
	word, err := oneOf("debug", "info", "warn", "error")(raw)
	if err != nil {
		return err
	}
	return c.LogLevel.UnmarshalText([]byte(word))
}

func parseRPS(c *Config, raw string) error {
	// Below one call in 100 seconds nothing would ever get done.
	const least = 0.01
	s := strings.TrimSpace(raw)
	if s == "learned" {
		c.MgmtRPS = 0
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < least {
		return wrong("write calls per second, such as 2 or 0.5, or leave it out", "is not a number from 0.01 up")
	}
	c.MgmtRPS = f
	return nil
}

func alphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
