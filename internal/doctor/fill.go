package doctor

import (
	"strings"

	"grantd/internal/display"
)

// fix fills the names in a fix: those that every tenant has, and values, which
// are pairs of a name and what it stands for.
func (x *examination) fix(f Fix, values ...string) Fix {
	all := append([]string{
		"{domain}", x.f.Domain, "{client_id}", x.f.ClientID, "{audience}", x.f.Audience, "{api_id}", x.f.API.Value.ID,
		"{endpoint}", x.f.endpoint(), "{path}", x.f.WebhookPath,
	}, values...)
	quoted := make([]string, len(all))
	for i, v := range all {
		if quoted[i] = v; i%2 == 1 {
			quoted[i] = strings.ReplaceAll(v, "'", `'\''`) // between single quotes in a shell
		}
	}
	text, command := strings.NewReplacer(all...), strings.NewReplacer(quoted...)
	return Fix{Dashboard: text.Replace(f.Dashboard), Command: command.Replace(f.Command), Setting: text.Replace(f.Setting)}
}

// scopeList are the values for a list of scopes. The list comes first.
func scopeList(scopes []string) []string {
	return []string{"{list}", quoteList(scopes), "{scopes}", strings.Join(scopes, ", ")}
}

// quoteList is a list of texts in JSON.
func quoteList(all []string) string {
	if all == nil {
		all = []string{}
	}
	return display.ASCII(all)
}

// quoteFilters is a list of categories as a log stream has them.
func quoteFilters(names []string) string {
	type filter struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	all := make([]filter, len(names))
	for i, n := range names {
		all[i] = filter{"category", n}
	}
	return display.ASCII(all)
}
