package page

import (
	"testing"

	"grantd/internal/dcr"
)

// A message that is nothing but what to do is told as that alone, of several
// clients too; and whoever has no name that can be seen has a link to follow.
func TestBlockedItem(t *testing.T) {
	fix := dcr.MissingScope.Info().Fix.String()
	blocked := func(name, message string) dcr.Record {
		return dcr.Record{ClientID: "tpc_1", Name: name, Message: message}
	}
	for _, tt := range []struct {
		want  string
		group []dcr.Record
	}{
		{"", []dcr.Record{blocked(" ", fix), blocked("b", "said no. "+fix)}},
		{"One of them: said no.", []dcr.Record{blocked("\u3000", "said no. "+fix), blocked("b", fix)}},
		{"said no.", []dcr.Record{blocked("\t", "said no. "+fix), blocked("b", "said no. "+fix)}},
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
