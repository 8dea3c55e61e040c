package page

import (
	"testing"

	"grantd/internal/dcr"
)

// Of several clients one message is told, as that; and whoever has no name that
// can be seen has a link to follow.
func TestBlockedItem(t *testing.T) {
	blocked := func(name, message string) dcr.Record {
		return dcr.Record{ClientID: "tpc_1", Name: name, Message: message}
	}
	for _, tt := range []struct {
		want  string
		group []dcr.Record
	}{
		{"", []dcr.Record{blocked(" ", ""), blocked("b", "said no")}},
		{"One of them: said no", []dcr.Record{blocked("\u3000", "said no"), blocked("b", "")}},
		{"said no", []dcr.Record{blocked("\t", "said no"), blocked("b", "said no")}},
	} {
		it := blockedItem(dcr.MissingScope, tt.group, false)
		if it.Message != tt.want {
			t.Errorf("%q, want %q", it.Message, tt.want)
		}
		if got := it.Examples[0].Text; got != "(no name)" {
			t.Errorf("named %q", got)
		}
	}
}

// What to do is told in particular where it is the same for all.
func TestBlockedItemFix(t *testing.T) {
	one, other := dcr.Record{ClientID: "tpc_1", Fix: dcr.PromoteConnection("corp")}, dcr.Record{ClientID: "tpc_2"}
	for want, group := range map[dcr.Text][]dcr.Record{
		one.Fix: {one, one}, dcr.ConnectionNotDomainLevel.Info().Fix: {one, other},
	} {
		if got := blockedItem(dcr.ConnectionNotDomainLevel, group, false).Fix; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
