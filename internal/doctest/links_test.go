package doctest_test

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/doctest"
)

const root = "../.." // the repository's folder

// Every link leads somewhere, and every file that is named is there. Links to
// other sites are listed (go test -v) and not fetched.
func TestLinks(t *testing.T) {
	pages, err := doctest.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("found only %d pages", len(pages))
	}
	exists := func(file string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(file)))
		return err == nil
	}
	for _, p := range pages {
		for _, b := range append(brokenLinks(p, pages, exists), missingFiles(p, exists)...) {
			t.Error(b)
		}
		for _, l := range p.Links {
			if strings.Contains(l.Target, "://") {
				t.Logf("%s:%d: %s", p.Path, l.Line, l.Target)
			}
		}
	}
}

// brokenLinks says which links of a page lead nowhere.
func brokenLinks(p doctest.Page, pages []doctest.Page, exists func(string) bool) (broken []string) {
	for _, l := range p.Links {
		if why := broke(p, l.Target, pages, exists); why != "" {
			broken = append(broken, fmt.Sprintf("%s:%d: %s: %s", p.Path, l.Line, l.Target, why))
		}
	}
	return broken
}

func broke(p doctest.Page, target string, pages []doctest.Page, exists func(string) bool) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return "not an address"
	case u.Scheme == "https" && u.Host != "":
		return ""
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return "neither https nor a path from the page"
	}
	file := p.Path
	if u.Path != "" {
		file = path.Join(path.Dir(p.Path), u.Path)
	}
	if strings.HasPrefix(file, "..") || !exists(file) {
		return "no such file"
	}
	if u.Fragment == "" {
		return ""
	}
	at := slices.IndexFunc(pages, func(other doctest.Page) bool { return other.Path == file })
	if at < 0 || !slices.Contains(pages[at].Anchors, u.Fragment) {
		return "no such heading"
	}
	return ""
}

var named = regexp.MustCompile(`^(?:cmd|configs|docs|e2e|internal|scripts|\.ci)/[A-Za-z0-9_./-]+$`)

// missingFiles says which files are not there that a page names, as the first
// word of code within a line or anywhere in what is to be run.
func missingFiles(p doctest.Page, exists func(string) bool) (missing []string) {
	look := func(line int, words []string) {
		for _, w := range words {
			file := strings.TrimSuffix(strings.TrimPrefix(w, "./"), "/...")
			if named.MatchString(file) && !exists(file) {
				missing = append(missing, fmt.Sprintf("%s:%d: %s: no such file", p.Path, line, file))
			}
		}
	}
	for _, s := range p.Spans {
		words := strings.Fields(s.Text)
		look(s.Line, words[:min(1, len(words))])
	}
	for _, f := range p.Fences {
		if f.Lang == "sh" {
			look(f.Line, strings.Fields(f.Text))
		}
	}
	return missing
}

func TestBroken(t *testing.T) {
	here := doctest.Parse("docs/here.md", "# Here\n")
	there := doctest.Parse("docs/there.md", "# There\n## What it does, and why\n## Twice\n## Twice\n")
	read := doctest.Parse("README.md", "# Top\n")
	pages := []doctest.Page{here, there, read}
	exists := func(file string) bool {
		return slices.Contains([]string{"docs/here.md", "docs/there.md", "README.md", "configs", "LICENSE"}, file)
	}
	for target, want := range map[string]string{
		"there.md":                          "",
		"there.md#what-it-does-and-why":     "",
		"there.md#twice-1":                  "",
		"#here":                             "",
		"../README.md#top":                  "",
		"../configs":                        "",
		"https://auth0.com/docs#anything":   "",
		"gone.md":                           "no such file",
		"../../LICENSE":                     "no such file",
		"there.md#twice-2":                  "no such heading",
		"#nowhere":                          "no such heading",
		"../LICENSE#terms":                  "no such heading",
		"http://auth0.com":                  "neither https",
		"/docs/there.md":                    "neither https",
		"mailto:somebody@example.com":       "neither https",
		"https://%zz":                       "not an address",
		"docs/there.md":                     "no such file",
		"there.md#what-it-does,-and-why":    "no such heading",
		"https:there.md":                    "neither https",
		"//auth0.com/docs":                  "neither https",
		"../docs/../docs/there.md#There":    "no such heading",
		"../docs/../docs/there.md#there":    "",
		"../README.md#what-it-does-and-why": "no such heading",
	} {
		if got := broke(here, target, pages, exists); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	p := doctest.Parse("README.md", "`docs/there.md` `configs` `internal/gone` `scripts/gone -n 3`, `./internal/…` `http/webhook.go`\n"+
		"```sh\ngo test ./internal/lost ./...   # and docs/there.md\n```\n```text\nscripts/elsewhere\n```\n")
	want := []string{
		"README.md:1: internal/gone: no such file", "README.md:1: scripts/gone: no such file",
		"README.md:3: internal/lost: no such file",
	}
	if diff := cmp.Diff(want, missingFiles(p, exists)); diff != "" {
		t.Error(diff)
	}
}

func TestParse(t *testing.T) {
	p := doctest.Parse("a.md", strings.Join([]string{
		"# `grantd` and [Auth0](https://auth0.com): 401 or 403?", // 1
		"See [one](b.md) and ![two](c.png \"a picture\"), not `[three](d.md)`.",
		"```sh", // 3
		"# no heading, [no](link.md)",
		"grantd version",
		"```",
		"   ````text", // 7
		"```",
		"   ````",
		"a ``code with ` in it`` and `more`, and a ` alone [four](e.md)",
		`<a id="by-hand"></a>`,
		"## `GRANTD_X`",
		"~~~",
		"open",
	}, "\n"))
	p.Text = ""
	want := doctest.Page{
		Path:    "a.md",
		Anchors: []string{"grantd-and-auth0-401-or-403", "by-hand", "grantd_x"},
		Links:   []doctest.Link{{1, "https://auth0.com"}, {2, "b.md"}, {2, "c.png"}, {10, "e.md"}},
		Spans: []doctest.Code{
			{Line: 1, Text: "grantd"}, {Line: 2, Text: "[three](d.md)"},
			{Line: 10, Text: "code with ` in it"}, {Line: 10, Text: "more"}, {Line: 12, Text: "GRANTD_X"},
		},
		Fences: []doctest.Code{
			{Line: 4, Lang: "sh", Text: "# no heading, [no](link.md)\ngrantd version\n"},
			{Line: 8, Lang: "text", Text: "```\n"},
			{Line: 14, Text: "open\n"},
		},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}
