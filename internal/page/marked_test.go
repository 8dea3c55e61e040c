package page

import (
	"strings"
	"testing"

	"grantd/internal/dcr"
)

func rendered(t testing.TB, text string) string {
	t.Helper()
	var b strings.Builder
	if err := marked(text).Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarked(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"Unset GRANTD_DRY_RUN.": "Unset <code>GRANTD_DRY_RUN</code>.",
		"or set GRANTD_CONNECTION_LEVEL=domain and grant grantd update:connections.":                     "or set <code>GRANTD_CONNECTION_LEVEL=domain</code> and grant grantd <code>update:connections</code>.",
		"grantd clients list --phase blocked":                                                            "<code>grantd clients list --phase blocked</code>",
		"Look: grantd clients list. Held ones go on by grantd hold release --reason registration_storm.": "Look: <code>grantd clients list</code>. Held ones go on by <code>grantd hold release --reason registration_storm</code>.",
		"grantd hold release CLIENT_ID when you want grantd to go on.":                                   "<code>grantd hold release CLIENT_ID</code> when you want grantd to go on.",
		"grantd sync --adopt takes them away.":                                                           "<code>grantd sync --adopt</code> takes them away.",
		"at https://a_b.example/x: 10:30 one_":                                                           "at https://a_b.example/x: 10:30 <code>one_</code>",
		"<b>GRANTD_X</b> a:<b>":                                                                          "&lt;b&gt;GRANTD_X&lt;/b&gt; a:&lt;b&gt;",
	} {
		if got := rendered(t, text); got != want {
			t.Errorf("%q became %s", text, got)
		}
	}
}

// No command is named in the reasons that would not be set as one.
func TestReasonsNameCommands(t *testing.T) {
	for _, r := range dcr.Reasons() {
		for _, text := range []string{r.Meaning, r.Fix} {
			bare := strings.ReplaceAll(rendered(t, text), "<code>grantd ", "")
			for _, name := range []string{"grantd clients", "grantd hold", "grantd sync", "grantd ledger", "grantd revert"} {
				if strings.Contains(bare, name) {
					t.Errorf("%s: %s", r.Reason, text)
				}
			}
		}
	}
}
