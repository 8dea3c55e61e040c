package explain_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/explain"
)

func TestDenialQuery(t *testing.T) {
	want := `(client_id:"tpc_a" OR description:"Unknown client: tpc_a" OR ` +
		`description:"Client \"tpc_a\" is not authorized to access resource server \"https://a.example/\"") AND type:(f OR fc OR feacft OR fertft OR ferrt)`
	if got := explain.DenialQuery([]string{"tpc_a"}, "https://a.example/", true); got != want {
		t.Error(got)
	}
	want = `(client_id:"tpc_a" OR client_id:"https://a.example/meta") AND type:(f OR fc OR feacft OR fertft OR ferrt)`
	if got := explain.DenialQuery([]string{"tpc_a", "https://a.example/meta"}, "x", false); got != want {
		t.Error(got)
	}
}

func TestReadDenials(t *testing.T) {
	const date = `"date":"2026-11-25T11:00:00.000Z"`
	for name, tt := range map[string]struct {
		entries string
		want    []string // texts
	}{
		"by client id":           {`{"type":"f","client_id":"tpc_a","description":"no",` + date + `}`, []string{"no"}},
		"by its text":            {`{"type":"f","client_id":null,"description":"Unknown client: tpc_a",` + date + `}`, []string{"Unknown client: tpc_a"}},
		"another client":         {`{"type":"f","client_id":"tpc_b","description":"Unknown client: tpc_ab",` + date + `}`, nil},
		"no denial":              {`{"type":"s","client_id":"tpc_a",` + date + `}`, nil},
		"in the details":         {`{"type":"f","client_id":"tpc_a","description":"","details":{"error":{"message":"rule threw"}},` + date + `}`, []string{"rule threw"}},
		"an error that is text":  {`{"type":"f","client_id":"tpc_a","details":{"error":"invalid_scope"},` + date + `}`, []string{"invalid_scope"}},
		"no words":               {`{"type":"f","client_id":"tpc_a","details":[1],` + date + `}`, []string{""}},
		"no date":                {`{"type":"f","client_id":"tpc_a","description":"x"}`, nil},
		"odd entries":            {`1,null,"x",[],{"type":1},{"type":"f","client_id":"tpc_a","description":{"a":1},` + date + `}`, []string{""}},
		"people":                 {`{"type":"f","client_id":"tpc_a","description":"jane.doe@example.com (auth0|650) from 203.0.113.7, 2001:db8::1 and google-oauth2|105 at 10:15:02 failed",` + date + `}`, []string{"(removed) ((removed)) from (removed), (removed) and (removed) at 10:15:02 failed"}},
		"loopback is nobody's":   {`{"type":"f","client_id":"tpc_a","description":"Callback URL mismatch. http://127.0.0.1:6274/cb is not",` + date + `}`, []string{"Callback URL mismatch. http://127.0.0.1:6274/cb is not"}},
		"the same one twice":     {`{"type":"f","log_id":"1","client_id":"tpc_a","description":"x",` + date + `},{"type":"f","log_id":"1","client_id":"tpc_a","description":"x",` + date + `}`, []string{"x"}},
		"the newest comes first": {`{"type":"f","client_id":"tpc_a","description":"old","date":"2026-11-24T00:00:00Z"},{"type":"f","client_id":"tpc_a","description":"new",` + date + `}`, []string{"new", "old"}},
		"tricks of a terminal":   {`{"type":"f","client_id":"tpc_a","description":"\u001b[31mred\u202e\u0000\n\nnext",` + date + `}`, []string{"\ufffd[31mred\ufffd\ufffd next"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := explain.ReadDenials([]byte("["+tt.entries+"]"), "tpc_a")
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, d := range got {
				texts = append(texts, d.Text)
			}
			if diff := cmp.Diff(tt.want, texts); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{``, `{}`, `null x`, `[`} {
		if _, err := explain.ReadDenials([]byte(bad), "tpc_a"); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// However many there are and however long, what comes out is bounded.
func TestReadDenialsIsBounded(t *testing.T) {
	var entries []string
	for i := range 100 {
		entries = append(entries, fmt.Sprintf(`{"type":"f","log_id":"%d","client_id":"tpc_a","description":%q,"date":"2026-11-25T11:00:00Z"}`, i, strings.Repeat("é ", 1<<12)))
	}
	got, err := explain.ReadDenials([]byte("["+strings.Join(entries, ",")+"]"), "tpc_a")
	if err != nil || len(got) != explain.MaxDenials || utf8.RuneCountInString(got[0].Text) > 300 {
		t.Errorf("%d, %v", len(got), err)
	}
}

// Whatever entries, names and messages hold, the story is printable and bounded.
func FuzzStory(f *testing.F) {
	f.Add("f", "Client \"tpc_a\" is not authorized to access resource server \"https://x/\"", "ChatGPT", "\x1b]0;x\x07")
	f.Add("fertft", "a@b.example|c 1.2.3.4 ::1", "\u202e", "\xff")
	f.Add("feacft", "Callback URL mismatch. javascript:alert(1) is not", "", "Unknown client: ")
	f.Fuzz(func(t *testing.T, kind, text, name, message string) {
		raw, err := json.Marshal([]map[string]any{{"type": kind, "description": text, "client_id": clientID, "date": "2026-11-25T11:59:00Z", "details": message}})
		if err != nil {
			t.Skip()
		}
		read, err := explain.ReadDenials(raw, clientID)
		if err != nil {
			t.Fatal(err)
		}
		s := explain.Tell(facts(t, func(f *explain.Facts) {
			f.Denials = read
			f.Live.Client.Name, f.Live.Client.AppType, f.Live.Client.Callbacks = name, message, []string{text, name}
			f.Record.Name, f.Record.Message = name, message
			f.LogProblem = explain.Problem{What: explain.LogSearch, Reason: "x", Message: message}
		}))
		said := []string{s.Summary, s.Next.What, s.Next.Command, s.Next.Then, s.Identity.Name, s.Conditions.Promoted.Now.Has}
		for _, c := range s.Causes {
			said = append(append(said, c.Text, c.Fix, c.Command), c.Evidence...)
		}
		for _, d := range s.Denials {
			said = append(said, d.Text)
		}
		for _, p := range s.Problems {
			said = append(said, p.Message)
		}
		for _, s := range said {
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 4000 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q", s)
			}
		}
	})
}

// What stands in a command can stand in a shell.
func TestNoTextOfOthersInCommands(t *testing.T) {
	s := explain.Tell(facts(t, denied(t, "f", "parameter organization is invalid: org_$(reboot);x", 60e9), func(f *explain.Facts) {
		f.Live.Connections[0].Connection.DomainLevel = false
		f.Live.Connections[0].Connection.ID = "con_1;reboot"
	}))
	for _, c := range s.Causes {
		if strings.Contains(c.Command, "reboot") {
			t.Errorf("%q", c.Command)
		}
	}
	if len(s.Causes) != 2 {
		t.Errorf("%+v", s.Causes)
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"tpc_a": true, "https://claude.ai/oauth/meta": true, "https://claude.ai": true,
		"": false, "http://claude.ai/": false, "https://": false, "https://a b": false, `https://a/"`: false, `https://a/\`: false,
		"https://u@a/": false, "https://é/": false, "https://a/" + strings.Repeat("x", 2000): false, "a b": false,
	} {
		if got := explain.ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}
}
