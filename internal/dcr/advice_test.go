package dcr_test

import (
	"testing"

	"grantd/internal/dcr"
)

func TestTold(t *testing.T) {
	for _, tt := range []struct {
		message string
		advice  dcr.Text
		want    string
	}{
		{"", "", ""},
		{"", "Do it.", ""},
		{"it is so", "", "it is so"},
		{"it is so", "Set `X`.", "it is so. Set X."},
		{"it is so.", "Do it.", "it is so. Do it."},
		{"is it?", "Do it.", "is it? Do it."},
		{`no "x"`, "Do it.", `no "x". Do it.`},
	} {
		if got := dcr.Reason("").Told(tt.message, tt.advice); got != tt.want {
			t.Errorf("%q and %q: %q", tt.message, tt.advice, got)
		}
	}
}

// What was found out of a case goes before what is said of all, and words from
// outside mark nothing.
func TestAdvice(t *testing.T) {
	const r = dcr.ConnectionNotDomainLevel
	if got := r.Advice(""); got != r.Info().Fix || got == "" {
		t.Errorf("got %q", got)
	}
	if got := r.Advice("other"); got != "other" {
		t.Errorf("got %q", got)
	}
	if got, want := dcr.PromoteConnection("a`b"), dcr.PromoteConnection("a'b"); got != want {
		t.Errorf("got %q", string(got))
	}
	if got := dcr.Command("grantd a`b"); string(got) != "`grantd a'b`" {
		t.Errorf("got %q", string(got))
	}
}

func TestEnter(t *testing.T) {
	r := dcr.Record{ClientID: "tpc_1", Phase: dcr.Blocked, Reason: dcr.Held, Message: "held", Fix: "release it"}
	r.Enter(dcr.Pending, dcr.Unchecked, "")
	if r.Phase != dcr.Pending || r.Reason != dcr.Unchecked || r.Message != "" || r.Fix != "" || r.ClientID != "tpc_1" {
		t.Errorf("%+v", r)
	}
}
