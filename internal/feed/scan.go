package feed

import (
	"encoding/binary"
	"math/bits"
)

// The scan functions take a buffer and the index where something begins and
// return the index after it. With a flaw, the index is where it was noticed;
// short means that the buffer ended first.

// maxDepth is how deep a value may nest: one bit of a word each.
const maxDepth = 64

// skipValue scans one JSON value of any type. It does not recurse: a bit each
// in stack says whether the enclosing value is an object.
func skipValue(b []byte, i int) (int, Flaw) {
	var (
		stack uint64
		depth int
		flaw  Flaw
	)
value:
	if i >= len(b) {
		return i, short
	}
	switch b[i] {
	case '"':
		if i, flaw = skipString(b, i+1); flaw != none {
			return i, flaw
		}
	case '{':
		if depth == maxDepth {
			return i, TooDeep
		}
		stack = stack<<1 | 1
		depth++
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == '}' {
			i++
			goto closed
		}
		goto key
	case '[':
		if depth == maxDepth {
			return i, TooDeep
		}
		stack <<= 1
		depth++
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == ']' {
			i++
			goto closed
		}
		goto value
	default:
		if i, flaw = skipScalar(b, i); flaw != none {
			return i, flaw
		}
	}
after:
	if depth == 0 {
		return i, none
	}
	i = skipSpace(b, i)
	if i >= len(b) {
		return i, short
	}
	switch c := b[i]; {
	case c == ',':
		i = skipSpace(b, i+1)
		if stack&1 == 0 {
			goto value
		}
		goto key
	case c == '}' && stack&1 == 1, c == ']' && stack&1 == 0:
		i++
	default:
		return i, Syntax
	}
closed:
	stack >>= 1
	depth--
	goto after
key:
	if _, i, flaw = scanName(b, i); flaw != none {
		return i, flaw
	}
	goto value
}

// scanName scans a member's name and the colon, up to the value. The name is
// what stands between the quotes.
func scanName(b []byte, i int) (name []byte, next int, flaw Flaw) {
	if i >= len(b) {
		return nil, i, short
	}
	if b[i] != '"' {
		return nil, i, Syntax
	}
	from := i + 1
	if i, flaw = skipString(b, from); flaw != none {
		return nil, i, flaw
	}
	name = b[from : i-1]
	if i = skipSpace(b, i); i >= len(b) {
		return nil, i, short
	}
	if b[i] != ':' {
		return nil, i, Syntax
	}
	return name, skipSpace(b, i+1), none
}

// skipSpace scans insignificant whitespace.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

const (
	lows  = 0x0101010101010101 // the lowest bit of each byte
	highs = 0x8080808080808080 // the highest
)

// skipString scans a string from after its opening quote, eight bytes at a
// time: x-lows &^ x has the high bit of each zero byte set, and of others only
// above one.
// https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
//
// Bytes that are not UTF-8 are let pass, as by encoding/json: no id can have
// them, and elsewhere they are replaced.
func skipString(b []byte, i int) (int, Flaw) {
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, escape := x^'"'*lows, x^'\\'*lows
			stop := ((x - ' '*lows) &^ x) | ((quote - lows) &^ quote) | ((escape - lows) &^ escape)
			if stop &= highs; stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) {
			return i, short
		}
		switch b[i] {
		case '"':
			return i + 1, none
		case '\\':
			var flaw Flaw
			if i, flaw = skipEscape(b, i+1); flaw != none {
				return i, flaw
			}
		default:
			return i, Syntax // a control character
		}
	}
}

// skipEscape scans an escape sequence from after its backslash.
func skipEscape(b []byte, i int) (int, Flaw) {
	if i >= len(b) {
		return i, short
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, none
	case 'u':
		for range 4 {
			if i++; i >= len(b) {
				return i, short
			}
			if c := b[i] | 0x20; !isDigit(b[i]) && (c < 'a' || c > 'f') {
				return i, Syntax
			}
		}
		return i + 1, none
	}
	return i, Syntax
}

// skipScalar scans a number, true, false or null.
func skipScalar(b []byte, i int) (int, Flaw) {
	switch b[i] {
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipWord(b []byte, i int, word string) (int, Flaw) {
	for j := range len(word) {
		if i >= len(b) {
			return i, short
		}
		if b[i] != word[j] {
			return i, Syntax
		}
		i++
	}
	return i, none
}

// skipNumber scans a number (RFC 8259, section 6). At the end of the buffer it
// is short, since more digits may come.
func skipNumber(b []byte, i int) (int, Flaw) {
	if b[i] == '-' {
		i++
	}
	var flaw Flaw
	if i < len(b) && b[i] == '0' {
		i++
	} else if i, flaw = skipDigits(b, i); flaw != none {
		return i, flaw
	}
	if i < len(b) && b[i] == '.' {
		if i, flaw = skipDigits(b, i+1); flaw != none {
			return i, flaw
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i, flaw = skipDigits(b, i); flaw != none {
			return i, flaw
		}
	}
	if i >= len(b) {
		return i, short
	}
	return i, none
}

// skipDigits scans one digit or more.
func skipDigits(b []byte, i int) (int, Flaw) {
	from := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	switch {
	case i >= len(b):
		return i, short
	case i == from:
		return i, Syntax
	}
	return i, none
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
