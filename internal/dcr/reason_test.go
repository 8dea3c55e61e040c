package dcr_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/doctest"
)

// Write the page by go test ./internal/dcr -update.
var update = flag.Bool("update", false, "write docs/reasons.md")

// declaredConstants are the package's constants of a type, by value.
func declaredConstants(t *testing.T, typ string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "dcr" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typ {
				return true
			}
			for i, v := range spec.Values {
				lit, ok := v.(*ast.BasicLit)
				if !ok {
					continue
				}
				value, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				if other, ok := found[value]; ok {
					t.Errorf("%s and %s are both %q", other, spec.Names[i].Name, value)
				}
				found[value] = spec.Names[i].Name
			}
			return true
		})
	}
	return found
}

// The list is closed: what is declared is documented, once, and nothing else.
func TestReasonsAreComplete(t *testing.T) {
	declared := declaredConstants(t, "Reason")
	if len(declared) == 0 {
		t.Fatal("found no constants of type Reason")
	}
	listed := map[string]bool{}
	for _, r := range dcr.Reasons() {
		code := string(r.Reason)
		if listed[code] {
			t.Errorf("%s is listed twice", code)
		}
		listed[code] = true
		if _, ok := declared[code]; !ok {
			t.Errorf("%s is listed and not declared", code)
		}
	}
	for code, name := range declared {
		if !listed[code] {
			t.Errorf("%s (%q) is declared and not listed", name, code)
		}
	}
}

func TestReasonsAreDocumented(t *testing.T) {
	code := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	for _, r := range dcr.Reasons() {
		if !code.MatchString(string(r.Reason)) {
			t.Errorf("%q is not in snake case", r.Reason)
		}
		if r.Where == "" || r.Meaning == "" {
			t.Errorf("%s lacks a place or a meaning", r.Reason)
		}
		for _, cell := range []string{r.Where, string(r.Meaning), string(r.Fix)} {
			if bytes.ContainsAny([]byte(cell), "|\n") {
				t.Errorf("%s: %q breaks the table", r.Reason, cell)
			}
		}
	}
}

// Whatever is to be typed is marked as that, and nothing is marked by half.
func TestReasonsAreMarked(t *testing.T) {
	literal := regexp.MustCompile(`[A-Z]_[A-Z]|[a-z]_[a-z]|=|\b(read|create|update|delete):|grantd (clients|hold|ledger|sync|revert|history|explain|doctor)\b`)
	for _, r := range dcr.Reasons() {
		for _, text := range []dcr.Text{r.Meaning, r.Fix} {
			text.Spans(func(plain string) {
				if found := literal.FindString(plain); found != "" {
					t.Errorf("%s: %q is not marked in %q", r.Reason, found, text)
				}
			}, func(string) {})
			if strings.Count(string(text), "`")%2 != 0 || strings.Contains(text.String(), "`") {
				t.Errorf("%s: the marks of %q", r.Reason, string(text))
			}
		}
	}
}

func TestText(t *testing.T) {
	var plain, literal []string
	text := dcr.Text("See `a b` and `c`.")
	text.Spans(func(s string) { plain = append(plain, s) }, func(s string) { literal = append(literal, s) })
	if got := text.String(); got != "See a b and c." {
		t.Errorf("it reads %q", got)
	}
	if !slices.Equal(plain, []string{"See ", " and ", "."}) || !slices.Equal(literal, []string{"a b", "c"}) {
		t.Errorf("%q and %q", plain, literal)
	}
}

func TestInfo(t *testing.T) {
	if got := dcr.Held.Info(); got.Reason != dcr.Held || got.Meaning == "" {
		t.Errorf("got %+v", got)
	}
	if got := dcr.Reason("unheard").Info(); got != (dcr.ReasonInfo{}) {
		t.Errorf("got %+v", got)
	}
}

func TestPhasesAreComplete(t *testing.T) {
	listed := map[string]string{}
	for _, p := range dcr.Phases() {
		listed[string(p)] = ""
	}
	declared := declaredConstants(t, "Phase")
	for p := range declared {
		declared[p] = ""
	}
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("Phases() (-declared +listed):\n%s", diff)
	}
}

func TestReasonsPageUpToDate(t *testing.T) {
	doctest.UpToDate(t, "docs/reasons.md", *update, dcr.WriteReasons)
}
