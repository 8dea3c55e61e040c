package scope

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ParseMetadata reads the scopes_supported of protected-resource metadata (RFC
// 9728, section 2), which must be those of resource, byte for byte. It returns
// them sorted, each once, without those that no API defines (see SplitLogin).
func ParseMetadata(data []byte, resource string) ([]string, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxSize)
	}
	// The decoder would replace what is not UTF-8, and so change what it says.
	if !utf8.Valid(data) {
		return nil, errors.New("the answer is not UTF-8")
	}
	// A map, because struct fields match names regardless of case.
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return nil, errors.New("the answer is not a JSON object")
	}
	var got *string
	if err := json.Unmarshal(object["resource"], &got); err != nil || got == nil {
		return nil, errors.New(`the answer has no text under "resource"`)
	}
	if *got != resource {
		return nil, fmt.Errorf("the answer is about the resource %s, and OAUTH_AUDIENCE is %s", quote(*got), quote(resource))
	}
	raw, ok := object["scopes_supported"]
	if !ok {
		return nil, errors.New(`the answer has no "scopes_supported"`)
	}
	var all []string
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, errors.New(`"scopes_supported" is not an array of texts`)
	}
	for _, s := range all { // null reads as "", which is no scope either
		if !Valid(s) {
			return nil, fmt.Errorf("%s in \"scopes_supported\" is not a scope", quote(s))
		}
	}
	api, _ := SplitLogin(union(all))
	return api, nil
}
