package feed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// seeds are inputs of every form, good and bad.
func seeds() []string {
	a := registration("a")
	return []string{
		"", a, wrapped(a), a + "\n" + other + "\n", "[" + a + "," + other + "]", `{"logs":[` + a + `],"x":1}`, "\ufeff[]", "[1,null,{}]",
		"garbage\n" + a, `{"type":"s",}` + a, `[{"type":tru},` + a + "]", "[" + a + a, `{"t\u0079pe":"s\u0061pi"}`, "{\"type\":\"s\",\"x\":\"\xff\"}",
		createClient, deleteOrganization, dynamic, denied, sapi("patch", "/api/v2/clients/c1", `{"a":[1.5e-7,-0,true,false]}`, `{"client_id":"c2"}`),
		sapi("patch", "/api/v2/connections/con_1/clients", `[{"client_id":"c1","status":true},{"client_id":"c2"}]`, ""),
		sapi("patch", "/api/v2/client-grants/cgr_1", `{"scope":[]}`, ""), sapi("patch", "/api/v2/resource-servers/a%2Fb", "", `{"id":"rs1"}`),
		exchange, refreshed, loggedIn, strings.Replace(exchange, "tpc_", `\u0074pc_`, 1),
		sapi("post", "/oidc/register", "", `{"client_id":"../x"}`), `{"type":"s","n":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}",
	}
}

// deepest is how deep the brackets of b may nest, at most.
func deepest(b []byte) int { return bytes.Count(b, []byte("[")) + bytes.Count(b, []byte("{")) }

// isStream reports whether encoding/json takes b for JSON values one after
// another.
func isStream(b []byte) bool {
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err == io.EOF
		}
	}
}

func checkSighting(t *testing.T, s dcr.Sighting) {
	t.Helper()
	things := 0
	for _, id := range []string{s.ClientID, s.GrantID, s.ConnectionID, s.APIID} {
		if id != "" {
			things++
			if !dcr.ValidClientID(id) {
				t.Fatalf("an impossible id: %+v", s)
			}
		}
	}
	if things != 1 || s.LogID == "" || len(s.LogID) > 140 || s.At.After(now.AddDate(0, 0, 1)) || s.Kind == "" || s.Class == "" {
		t.Fatalf("%+v", s)
	}
	if s.ClientID == "" && s.Kind != dcr.Changed || (s.Registration != "") != (s.Kind == dcr.Registered) || (s.Audience != "") != (s.Kind == dcr.Denied) {
		t.Fatalf("%+v", s)
	}
	if len(s.Name) > 256 || len(s.Callbacks) > 32 || len(s.Actor.ID) > 128 || len(s.CorrelationID) > 128 || len(s.SourceIP) > 45 {
		t.Fatalf("unbounded: %+v", s)
	}
}

// checkUses: each client once, with a possible id.
func checkUses(t *testing.T, got feed.Result) {
	t.Helper()
	seen := map[string]bool{}
	for _, u := range got.Uses {
		if !dcr.ValidClientID(u.ClientID) || seen[u.ClientID] || u.At.After(now.Add(time.Hour)) {
			t.Fatalf("%+v in %+v", u, got.Uses)
		}
		seen[u.ClientID] = true
	}
	if got.Used < len(got.Uses) || got.Used > got.Received-got.Malformed {
		t.Fatalf("%d uses of %d clients in %d entries", got.Used, len(got.Uses), got.Received)
	}
}

// FuzzDecode: it never panics, counts add up, ids are possible, and what is JSON
// is so for encoding/json too.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	d := feed.NewDecoder(feed.Limits{Bytes: 1 << 20})
	tight := feed.NewDecoder(feed.Limits{Bytes: 1 << 20, Entry: 1 << 10})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := d.Decode(bytes.NewReader(in), now)
		if err != nil && !errors.Is(err, feed.ErrNothingReadable) && !errors.Is(err, feed.ErrTooLarge) {
			t.Fatal(err)
		}
		if got.Malformed > got.Received || len(got.Flawed) != min(got.Malformed, 5) || len(got.Samples) > 5 || got.LastEventAt.After(now.AddDate(0, 0, 1)) || got.LastManagementAt.After(got.LastEventAt) {
			t.Fatalf("%+v", got)
		}
		for _, s := range got.Sightings {
			checkSighting(t, s)
		}
		checkUses(t, got)
		// The smallest windows find the same, but for what is too large for them.
		if again, _ := tight.Decode(bytes.NewReader(in), now); len(in) < 1<<10 {
			if diff := cmp.Diff(got, again); diff != "" {
				t.Fatalf("by another window (-want +got):\n%s", diff)
			}
		}
		plain := bytes.TrimPrefix(in, []byte("\ufeff"))
		if bytes.HasPrefix(in, []byte{0x1f, 0x8b}) || deepest(in) > 60 {
			return
		}
		structural := slices.ContainsFunc(got.Flawed, func(m feed.Malformed) bool { return m.Flaw == feed.Syntax || m.Flaw == feed.Truncated })
		if json := isStream(plain); json && structural {
			t.Fatalf("JSON, but %v", got.Flawed)
		} else if !json && got.Malformed == 0 {
			t.Fatalf("not JSON, but nothing malformed: %+v", got)
		}
		// Every element of a single array is an entry.
		var all []json.RawMessage
		if json.Unmarshal(plain, &all) == nil && all != nil && got.Received != len(all) {
			t.Fatalf("%d elements, %d received", len(all), got.Received)
		}
	})
}

// FuzzClassify: one entry by itself means what it means in a delivery.
func FuzzClassify(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	d := feed.NewDecoder(feed.Limits{})
	f.Fuzz(func(t *testing.T, entry []byte) {
		got, err := feed.Classify(entry, now)
		for _, s := range got {
			checkSighting(t, s)
		}
		if err != nil {
			if len(got) != 0 {
				t.Fatalf("%v, and yet %+v", err, got)
			}
			return
		}
		if !json.Valid(entry) {
			t.Fatalf("not JSON, but classified: %+v", got)
		}
		in := slices.Concat([]byte("["), entry, []byte(","), entry, []byte("]"))
		all, err := d.Decode(bytes.NewReader(in), now)
		if err != nil || all.Received != 2 || all.Malformed != 0 {
			t.Fatalf("in a delivery: %+v, %v", all, err)
		}
		if len(got) == 1 && got[0].Kind == dcr.Used {
			want := []dcr.Use{{ClientID: got[0].ClientID, At: got[0].At}}
			if diff := cmp.Diff(want, all.Uses); diff != "" || all.Used != 2 {
				t.Fatalf("%d in a delivery (-want +got):\n%s", all.Used, diff)
			}
			got = nil
		}
		if diff := cmp.Diff(slices.Concat(got, got), all.Sightings, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("in a delivery (-want +got):\n%s", diff)
		}
	})
}
