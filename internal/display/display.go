// Package display makes text from outside harmless to look at, on a terminal, in
// a log or on a page: names that strangers gave to their clients, and words of
// Auth0's.
package display

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line is s as one line of at most n characters: what is no visible character,
// such as controls and marks that reorder or hide text, shows as U+FFFD, space
// of any kind and length is one space, and an ellipsis ends what was cut.
func Line(s string, n int) string {
	var b strings.Builder
	chars, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = chars > 0
			continue
		case !unicode.IsGraphic(r):
			r = unicode.ReplacementChar
		}
		if space {
			chars, space = chars+1, false
			b.WriteByte(' ')
		}
		if chars++; chars > n { // no more is looked at than what is shown
			return Cut(b.String()+"…", n)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Visible is s with what is no visible character as U+FFFD. It keeps spaces, and
// lets a line's end be no exception.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Cut shortens s to n characters, the last of which is then an ellipsis.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	chars, last := 0, 0
	for i := range s {
		switch chars++; {
		case chars == n:
			last = i
		case chars > n:
			return s[:last] + "…"
		}
	}
	return s
}

// JSON escapes what encoding/json leaves as it is although a terminal obeys it:
// DEL and C1 controls, and marks that reorder or hide text.
func JSON(text []byte) []byte {
	return escape(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) })
}

// ASCII is v in JSON and in ASCII, on one line: to be read, and to be pasted. It
// is for values that can be encoded, as texts, lists and maps of them can.
func ASCII(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return string(escape(bytes.TrimSuffix(b.Bytes(), []byte("\n")), func(r rune) bool { return r >= 0x7f }))
}

// escape escapes characters of JSON. Such as are odd occur in strings alone, whose
// value stays the same (RFC 8259, section 7).
func escape(text []byte, odd func(rune) bool) []byte {
	if bytes.IndexFunc(text, odd) < 0 {
		return text
	}
	var b bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case !odd(r):
			b.Write(text[:size])
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	return b.Bytes()
}
