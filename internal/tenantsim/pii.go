package tenantsim

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
)

// masked hides personal data by the names of its keys, if the stream is set up
// to. The hash is of the right length, but not the xxhash of the real thing.
// https://auth0.com/docs/customize/log-streams
func (s *Stream) masked(data json.RawMessage) json.RawMessage {
	var config struct {
		Fields []string `json:"log_fields"`
		Method string   `json:"method"`
	}
	if len(s.pii) == 0 || json.Unmarshal(s.pii, &config) != nil || len(config.Fields) == 0 {
		return data
	}
	var keys []string
	for _, f := range config.Fields {
		switch f {
		case "first_name", "last_name":
			keys = append(keys, "name", f, "given_name", "family_name")
		case "username":
			keys = append(keys, "username", "user_name")
		case "phone":
			keys = append(keys, "phone", "phone_number", "phoneNumber", "mobile")
		default:
			keys = append(keys, f)
		}
	}
	var v any
	if json.Unmarshal(data, &v) != nil {
		return data
	}
	hideKeys(v, keys, config.Method == "hash")
	if out, err := json.Marshal(v); err == nil {
		return out
	}
	return data
}

func hideKeys(v any, keys []string, hash bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			hideKeys(item, keys, hash)
		}
	case map[string]any:
		for key, item := range v {
			text, ok := item.(string)
			if !ok || !slices.Contains(keys, key) {
				hideKeys(item, keys, hash)
				continue
			}
			v[key] = "***"
			if hash {
				h := fnv.New64a()
				_, _ = h.Write([]byte(text)) // never fails
				v[key] = fmt.Sprintf("%016x", h.Sum64())
			}
		}
	}
}
