package dcr_test

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
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
		for _, cell := range []string{r.Where, r.Meaning, r.Fix} {
			if bytes.ContainsAny([]byte(cell), "|\n") {
				t.Errorf("%s: %q breaks the table", r.Reason, cell)
			}
		}
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
