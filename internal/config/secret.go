package config

import (
	"fmt"
	"log/slog"
)

// What a Secret prints as.
const (
	redacted = "[redacted]"
	unset    = "[unset]"
)

// Secret is a string that prints as "[redacted]", or "[unset]" when it is
// empty, by whatever way it is printed or encoded; Reveal is the only way to
// the text. The zero Secret is unset. It is immutable; compare with Equal.
//
// The text is behind a pointer because package fmt does not call the methods of
// unexported fields: a plain string in there would be printed with its owner.
type Secret struct{ text *string }

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal is the text itself. Give it to nothing that prints or stores.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a text.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal reports whether both hold the same text. It takes a time that depends
// on the texts: it compares configurations, not credentials.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s.IsSet() {
		return redacted
	}
	return unset
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// Format implements fmt.Formatter, for every verb there is.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, XML and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalBinary implements encoding.BinaryMarshaler, which encoding/gob uses.
func (s Secret) MarshalBinary() ([]byte, error) { return s.MarshalText() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
