package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkPath admits a path, and perhaps a query, in canonical form. It begins
// where the authority ends.
func checkPath(scheme, s string) error {
	web := scheme == "http" || scheme == "https"
	if strings.Contains(s, "#") {
		return errors.New("has a fragment; a redirect URI has none (RFC 6749, section 3.1.2)")
	}
	if strings.Contains(s, "*") {
		return fmt.Errorf("has a * in the path; write %s for one segment of letters, digits, - and _", idMark)
	}
	path, query, hasQuery := strings.Cut(s, "?")
	switch {
	case path == "" && web:
		return errors.New("has no path; end it with / at least")
	case path != "" && path[0] != '/':
		return errors.New("has a backslash after the host")
	case hasQuery && query == "":
		return errors.New("ends with ?; leave it out")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == idMark {
			if !web {
				return fmt.Errorf("has %s, which a private-use scheme may not; such URIs are allowed by exact match", idMark)
			}
			continue
		}
		if segment == "." || segment == ".." {
			return errors.New("has a dot segment; write the path it leads to")
		}
		if err := checkChars(segment, ":@'"); err != nil {
			return err
		}
	}
	return checkChars(query, ":@/?")
}

// checkChars admits the characters of RFC 3986 that URL parsers leave alone:
// unreserved, percent-encoded (if it must be, and in upper case) and most
// sub-delims; extra are further ones.
func checkChars(s, extra string) error {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isUnreserved(c), strings.IndexByte("!$&()+;=", c) >= 0, strings.IndexByte(extra, c) >= 0:
		case c == '%':
			if i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) {
				return errors.New("has a % without two hexadecimal digits in upper case")
			}
			if d := unhex(s[i+1])<<4 | unhex(s[i+2]); isUnreserved(d) || d < ' ' || d == 0x7f {
				return fmt.Errorf("has %s, percent-encoding that no callback needs", s[i:i+3])
			}
			i += 2
		case c == '{', c == '}':
			return fmt.Errorf("has a brace; only %s as a whole path segment stands for something", idMark)
		default:
			return fmt.Errorf("has the character %q where a URI cannot", c)
		}
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isUnreserved(c byte) bool {
	return isAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func isUpperHex(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'F' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c - 'A' + 10
}

// firstRune is the first character of s, or its first byte if it is none.
func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}
