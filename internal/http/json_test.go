package http_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"grantd/internal/dcr"
	"grantd/internal/http"
	"grantd/internal/store"
)

// TestAnswersAreHarmless: a name that plays tricks on a terminal is escaped in
// the lists and in events, and is the same name to a program.
func TestAnswersAreHarmless(t *testing.T) {
	const name = "\x1b[2J\u009b31m\x7f\u202e\u2028\U000e0041<b>é"
	url, ledger := serveAdmin(t)
	b := store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{{
		Kind: dcr.Registered, Class: dcr.Urgent, ClientID: "aaa", LogID: "log1", Name: name, Registration: dcr.RegistrationDCR,
	}}}
	if _, err := ledger.Record(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/clients", "/api/v1/clients/aaa"} {
		got := request(t, "GET", url+path, "").body
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) || r == '<' }); i >= 0 {
			t.Errorf("%s: %q is raw", path, got[i:])
		}
		var one http.Client
		if path == "/api/v1/clients" {
			var list http.ClientList
			if err := json.Unmarshal([]byte(got), &list); err != nil {
				t.Fatal(err)
			}
			one = list.Clients[0]
		} else if err := json.Unmarshal([]byte(got), &one); err != nil {
			t.Fatal(err)
		}
		if one.Name != name {
			t.Errorf("%s: the name is %q", path, one.Name)
		}
	}
}
