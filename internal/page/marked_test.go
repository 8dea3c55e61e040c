package page

import (
	"strings"
	"testing"

	"grantd/internal/dcr"
)

func TestMarked(t *testing.T) {
	for text, want := range map[dcr.Text]string{
		"":                        "",
		"Unset `GRANTD_DRY_RUN`.": "Unset <code>GRANTD_DRY_RUN</code>.",
		"`grantd clients list`":   "<code>grantd clients list</code>",
		"<b> `<b>`":               "&lt;b&gt; <code>&lt;b&gt;</code>",
	} {
		var b strings.Builder
		if err := marked(text).Render(&b); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("%q became %s", text, got)
		}
	}
}
