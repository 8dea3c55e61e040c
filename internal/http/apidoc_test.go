package http

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/doctest"
)

var (
	documented = regexp.MustCompile("^\\| `([A-Z]+ /[^`]*)` \\|")
	parameter  = regexp.MustCompile(`:([a-z_]+)`)
)

// docs/api.md lists every address of the two listeners, and no other.
func TestAPIDocumentation(t *testing.T) {
	pages, err := doctest.Pages("../..")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(pages, func(p doctest.Page) bool { return p.Path == "docs/api.md" })
	if at < 0 {
		t.Fatal("there is no docs/api.md")
	}
	var told []string
	for line := range strings.Lines(pages[at].Text) {
		if m := documented.FindStringSubmatch(line); m != nil {
			told = append(told, m[1])
		}
	}

	public := newPublic(PublicOptions{WebhookPath: "/auth0-log-webhook"})
	admin := AdminOptions{Metrics: http.NotFoundHandler()}
	var served []string
	for _, r := range slices.Concat(public.routes(), admin.routes()) {
		for _, method := range r.methods {
			if method != http.MethodHead { // what GET has, HEAD has
				served = append(served, method+" "+parameter.ReplaceAllString(r.path, "{$1}"))
			}
		}
	}
	slices.Sort(told)
	slices.Sort(served)
	if diff := cmp.Diff(served, told); diff != "" {
		t.Errorf("served (-), in docs/api.md (+):\n%s", diff)
	}
}
