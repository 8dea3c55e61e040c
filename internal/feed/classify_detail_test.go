package feed_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// one is the only sighting of an entry.
func one(t *testing.T, entry string) dcr.Sighting {
	t.Helper()
	got, err := feed.Classify([]byte(entry), now)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d sightings, %v, of %.300s", len(got), err, entry)
	}
	return got[0]
}

func TestClassifyLogID(t *testing.T) {
	edit := sapi("patch", "/api/v2/clients/c1", "", "")
	with := func(ids string) string { return strings.Replace(edit, `"log_id":"L"`, ids, 1) }
	tests := []struct{ name, entry, want string }{
		{"bare", edit, "L"},
		{"wrapped: the inner, as the Logs API has it", wrapped(edit), "L"},
		{"the wrapper's", wrapped(with(`"x":1`)), "w"},
		{"_id", with(`"_id":"I"`), "I"},
		{"null", with(`"log_id":null,"_id":"I"`), "I"},
		{"a number", with(`"log_id":5,"_id":"I"`), "I"},
		{"unfit for a key", with(`"log_id":"a b","_id":"a#1"`), "sha256:"},
		{"long", with(`"log_id":"` + strings.Repeat("9", 129) + `"`), "sha256:"},
	}
	for _, tt := range tests {
		got := one(t, tt.entry).LogID
		if tt.want == "sha256:" && len(got) == len(tt.want)+64 {
			got = got[:len(tt.want)]
		}
		if got != tt.want {
			t.Errorf("%s: log id %q, want %q", tt.name, got, tt.want)
		}
	}
	none := with(`"x":1`)
	a, b := one(t, none).LogID, one(t, strings.Replace(none, "c1", "c2", 1)).LogID
	if a == b || a != one(t, " "+none+"\n").LogID || a != one(t, `{"data":`+none+`}`).LogID {
		t.Errorf("digests %s and %s", a, b)
	}
	several, err := feed.Classify([]byte(sapi("patch", "/api/v2/connections/con_1/clients", `[{"client_id":"c1"},{"client_id":"c2"}]`, "")), now)
	if err != nil || len(several) != 2 || several[0].LogID != "L#1" || several[1].LogID != "L#2" {
		t.Errorf("several: %+v, %v", several, err)
	}
}

func TestClassifyActor(t *testing.T) {
	const edit = `{"type":"sapi","log_id":"L","client_id":"caller","user_id":%s,"details":{"request":{"method":"delete","path":"/api/v2/clients/c1","channel":%q,"auth":%s},"response":{"statusCode":204}}}`
	user := func(id string) dcr.Actor { return dcr.Actor{Kind: dcr.ActorUser, ID: id} }
	tests := []struct {
		name, userID, channel, auth string
		want                        dcr.Actor
	}{
		{"application", "null", "api", `{"user":{}}`, dcr.Actor{Kind: dcr.ActorApplication, ID: "caller"}},
		{"dashboard", `"auth0|1"`, "https://manage.auth0.com/", `{"user":{"user_id":"auth0|2","email":"jane@example.com"}}`, user("auth0|2")},
		{"dashboard, no auth", `"auth0|1"`, "https://manage.auth0.com/", `null`, user("auth0|1")},
		{"dashboard, auth a string", `"auth0|1"`, "https://manage.auth0.com/", `{"user":"jane@example.com"}`, user("auth0|1")},
		{"nobody", "null", "https://manage.auth0.com/", `{}`, dcr.Actor{}},
		{"empty", `""`, "x", `[]`, dcr.Actor{}},
		{"a mail address", `"samlp|acme|jane@example.com"`, "", `{}`, user("sha256:edc47f93f8c54e6e")},
		{"long", `"` + strings.Repeat("x", 129) + `"`, "", `{}`, user("sha256:8f5a7bbe5d9b8ee1")},
	}
	for _, tt := range tests {
		got := one(t, fmt.Sprintf(edit, tt.userID, tt.channel, tt.auth)).Actor
		if strings.HasPrefix(tt.want.ID, "sha256:") {
			if got.Kind != tt.want.Kind || len(got.ID) != len(tt.want.ID) || !strings.HasPrefix(got.ID, "sha256:") {
				t.Errorf("%s: %+v, want a digest", tt.name, got)
			}
		} else if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestClassifyBounds(t *testing.T) {
	quoted := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	s := one(t, sapi("post", "/api/v2/clients", `{"name":"asked","callbacks":["https://asked"]}`,
		`{"client_id":"c1","name":"`+strings.Repeat("é", 500)+`","callbacks":[5,"`+strings.Repeat("x", 5000)+`",`+quoted(`"https://a"`, 100)+`]}`))
	if len(s.Name) > 256 || !utf8.ValidString(s.Name) || !strings.HasPrefix(s.Name, "éé") {
		t.Errorf("name of %d bytes: %q", len(s.Name), s.Name)
	}
	if len(s.Callbacks) != 32 || s.Callbacks[0] != "" || len(s.Callbacks[1]) != 1024 || s.Callbacks[2] != "https://a" {
		t.Errorf("%d callbacks, the second of %d bytes", len(s.Callbacks), len(s.Callbacks[1]))
	}
	s = one(t, sapi("post", "/oidc/register", `{"client_name":"asked","redirect_uris":["https://asked"]}`, `{"client_id":"c1"}`))
	if s.Name != "asked" || !cmp.Equal(s.Callbacks, []string{"https://asked"}) {
		t.Errorf("of the request: %q, %q", s.Name, s.Callbacks)
	}
	s = one(t, sapi("post", "/oidc/register", `[]`, `{"client_id":"c1","client_name":5,"redirect_uris":"x"}`))
	if s.Name != "" || s.Callbacks != nil {
		t.Errorf("of wrong types: %q, %q", s.Name, s.Callbacks)
	}
	for _, tt := range []struct{ member, ip, correlation string }{
		{`"ip":"20.161.0.1"`, "20.161.0.1", ""},
		{`"ip":"fe80::1%eth0"`, "fe80::1", ""},
		{`"ip":"[REDACTED]"`, "", ""},
		{`"ip":7,"references":7`, "", ""},
		{`"references":{"correlation_id":"grantd-1-2"}`, "", "grantd-1-2"},
		{`"references":{"correlation_id":"a b"}`, "", ""},
		{`"references":{"correlation_id":"` + strings.Repeat("x", 129) + `"}`, "", ""},
		{`"references":{"correlation_id":"a","correlation_id":"b"}`, "", ""},
		{`"date":"2026-11-01T13:00:01Z"`, "", ""},
	} {
		s := one(t, `{"type":"sapi",`+tt.member+`,"details":{"request":{"method":"delete","path":"/api/v2/clients/c1"},"response":{"statusCode":204}}}`)
		if s.SourceIP != tt.ip || s.CorrelationID != tt.correlation || !s.At.IsZero() {
			t.Errorf("%s: %+v", tt.member, s)
		}
	}
}
