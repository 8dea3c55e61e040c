package feed

import (
	"bytes"
	"encoding/json"
	"strings"
)

// value is one JSON value that a scan found well-formed, without space around
// it; nil stands for an absent one and for null.
type value []byte

// text is a string's content, as UTF-8. An absent value is the empty text; ok
// is false for anything but a string.
func (v value) text() (s string, ok bool) {
	if v == nil {
		return "", true
	}
	if v[0] != '"' {
		return "", false
	}
	return unescape(v[1 : len(v)-1]), true
}

// hint is a string's content, and the empty text for anything else.
func (v value) hint() string {
	s, _ := v.text()
	return s
}

// unescape is what stands between the quotes of a well-formed string.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	quoted := make([]byte, 0, len(b)+2)
	quoted = append(append(append(quoted, '"'), b...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "" // not reached: the scan let it pass
	}
	return s
}

// members looks up members of an object by their names. Absent ones are nil,
// and so are all members of an absent value. A name looked for must not stand
// twice.
func (v value) members(names ...string) ([]value, Flaw) {
	found := make([]value, len(names))
	if v == nil {
		return found, none
	}
	if v[0] != '{' {
		return nil, BadShape
	}
	seen := make([]bool, len(names))
	i := skipSpace(v, 1)
	for v[i] != '}' {
		name, from, _ := scanName(v, i)
		end, _ := skipValue(v, from)
		for n := range names {
			if !named(name, names[n]) {
				continue
			}
			if seen[n] {
				return nil, Repeated
			}
			seen[n] = true
			if v[from] != 'n' {
				found[n] = v[from:end]
			}
		}
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return found, none
}

// named reports whether a member's name, as it stands between the quotes, is
// want.
func named(name []byte, want string) bool {
	if bytes.IndexByte(name, '\\') >= 0 {
		return unescape(name) == want
	}
	return string(name) == want
}

// elements are an array's, at most limit of them; more reports whether there
// are others. An absent value has none.
func (v value) elements(limit int) (all []value, more bool, flaw Flaw) {
	if v == nil {
		return nil, false, none
	}
	if v[0] != '[' {
		return nil, false, BadShape
	}
	i := skipSpace(v, 1)
	for v[i] != ']' {
		if len(all) == limit {
			return all, true, none
		}
		end, _ := skipValue(v, i)
		all = append(all, v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return all, false, none
}
