package dcr_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
)

func TestValidClientID(t *testing.T) {
	tests := []struct {
		name, id string
		want     bool
	}{
		{"strict", "tpc_bU3H7iEFPD3nVwc6a6yoa2", true},
		{"ordinary", "FSAHVFwCcW9nSs8O97U3eCEeXOUOC0cV", true},
		{"shortest", "a", true},
		{"longest", strings.Repeat("a", dcr.MaxClientIDLength), true},
		{"dashes", "-_-", true},
		{"empty", "", false},
		{"too long", strings.Repeat("a", dcr.MaxClientIDLength+1), false},
		{"10 kB", strings.Repeat("a", 10<<10), false},
		{"slash", "a/b", false},
		{"dot segment", "..", false},
		{"backslash", `a\b`, false},
		{"percent", "a%2Fb", false},
		{"query", "a?b", false},
		{"fragment", "a#b", false},
		{"URL", "https://a.example/c.json", false},
		{"space", "a b", false},
		{"newline", "a\n", false},
		{"NUL", "a\x00", false},
		{"quote", `a"`, false},
		{"Cyrillic", "tp\u0441_abc", false},
		{"full-width", "tpc_\uff41", false},
		{"invalid UTF-8", "a\xff", false},
		{"next to the ranges", "@[`{/:", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dcr.ValidClientID(tt.id); got != tt.want {
				t.Errorf("ValidClientID(%q) = %v, want %v", tt.id, got, tt.want)
			}
		})
	}
}

// A client id is not taken for a flag of the command that it is pasted behind.
func TestArgument(t *testing.T) {
	for id, want := range map[string]string{"tpc_a-b": "tpc_a-b", "-abc": "-- -abc", "--all": "-- --all", "": ""} {
		if got := dcr.Argument(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
}

// A valid id needs no escaping wherever it may be put.
func FuzzValidClientID(f *testing.F) {
	for _, s := range []string{"", "tpc_x", "a/b", "..", "%2e", "é", "\xff"} {
		f.Add(s)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	f.Fuzz(func(t *testing.T, s string) {
		want := s != "" && len(s) <= 128 && utf8.ValidString(s) && strings.Trim(s, alphabet) == "" &&
			!strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
		if got := dcr.ValidClientID(s); got != want {
			t.Errorf("ValidClientID(%q) = %v, want %v", s, got, want)
		}
	})
}

func TestClientMode(t *testing.T) {
	tests := []struct {
		name string
		c    dcr.Client
		want dcr.SecurityMode
	}{
		{"by mode", dcr.Client{ID: "abc", ThirdPartySecurityMode: dcr.Strict}, dcr.Strict},
		{"by id", dcr.Client{ID: "tpc_abc"}, dcr.Strict},
		{"id wins over mode", dcr.Client{ID: "tpc_abc", ThirdPartySecurityMode: dcr.Permissive}, dcr.Strict},
		{"permissive", dcr.Client{ID: "abc", ThirdPartySecurityMode: dcr.Permissive}, dcr.Permissive},
		{"not said", dcr.Client{ID: "abc"}, dcr.Permissive},
		{"prefix elsewhere", dcr.Client{ID: "xtpc_abc"}, dcr.Permissive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.Mode(); got != tt.want {
				t.Errorf("Mode() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestClientCIMD(t *testing.T) {
	if (dcr.Client{}).CIMD() || !(dcr.Client{ExternalClientID: "https://a.example/c.json"}).CIMD() {
		t.Error("CIMD is told by the external client id")
	}
}

func TestClientPatchEmpty(t *testing.T) {
	if !(dcr.ClientPatch{}).Empty() {
		t.Error("the zero patch is not empty")
	}
	for _, p := range []dcr.ClientPatch{{AppType: new("")}, {TokenEndpointAuthMethod: new("")}, {GrantTypes: []string{}}} {
		if p.Empty() {
			t.Errorf("%+v is empty", p)
		}
	}
}

func TestFeedStatusMerge(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	old := dcr.FeedStatus{LastEventAt: at(5), LastManagementAt: at(5), LastDeliveryAt: at(5), LastSuccessAt: at(5), Checkpoint: at(5), Events: 3}
	tests := []struct {
		name    string
		u, want dcr.FeedStatus
	}{
		{"nothing new", dcr.FeedStatus{}, old},
		{"earlier times do not count", dcr.FeedStatus{LastEventAt: at(4), LastManagementAt: at(4), LastDeliveryAt: at(4), LastSuccessAt: at(4), Checkpoint: at(4)}, old},
		{"later times win, events add up", dcr.FeedStatus{LastEventAt: at(6), LastManagementAt: at(10), LastDeliveryAt: at(7), LastSuccessAt: at(8), Checkpoint: at(9), Events: 2},
			dcr.FeedStatus{LastEventAt: at(6), LastManagementAt: at(10), LastDeliveryAt: at(7), LastSuccessAt: at(8), Checkpoint: at(9), Events: 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, old.Merge(tt.u)); diff != "" {
				t.Errorf("Merge (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCauseLogValue(t *testing.T) {
	tests := []struct {
		c    dcr.Cause
		want string
	}{
		{dcr.Cause{Feed: dcr.FeedConfig}, "config"},
		{dcr.Cause{Feed: dcr.FeedWebhook, LogID: "900123"}, "webhook:900123"},
	}
	for _, tt := range tests {
		if got := slog.AnyValue(tt.c).Resolve().String(); got != tt.want {
			t.Errorf("log value = %q, want %q", got, tt.want)
		}
	}
}

func TestRecordChecked(t *testing.T) {
	if (dcr.Record{}).Checked() || !(dcr.Record{LastCheckedAt: time.Unix(1, 0)}).Checked() {
		t.Error("a record was checked once it has a time of its last check")
	}
}
