package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// EscapeJSON escapes what encoding/json leaves as it is although a terminal
// obeys it: DEL and C1 controls, and marks that reorder or hide text. They occur
// in strings alone, whose value stays the same.
func EscapeJSON(text []byte) []byte {
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
			hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00 // RFC 8259, section 7
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[size:]
	}
	return b.Bytes()
}

func odd(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }

// serializer writes answers so that they can be looked at as they are.
type serializer struct{ echo.DefaultJSONSerializer }

// Serialize implements echo.JSONSerializer.
func (serializer) Serialize(c echo.Context, v any, _ string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.Response().Write(append(EscapeJSON(text), '\n'))
	return err
}
