package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var testFunc = regexp.MustCompile(`^(Test|Fuzz|Benchmark)`)

// sleepers returns the functions of a package's test files, by position, that
// call time.Sleep where the clock may be real. It is simulated in a bubble of
// testing/synctest; a helper may be called in one if its package has any.
func sleepers(fset *token.FileSet, files []*ast.File) []token.Position {
	simulated := make(map[*ast.File]bool)
	for _, f := range files {
		for _, i := range f.Imports {
			if i.Path.Value == `"testing/synctest"` {
				simulated[f] = true
			}
		}
	}
	var found []token.Position
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || simulated[f] || len(simulated) > 0 && !testFunc.MatchString(fn.Name.Name) {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "Sleep" {
					return true
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					found = append(found, fset.Position(s.Pos()))
				}
				return true
			})
		}
	}
	return found
}

func TestNoTestSleeps(t *testing.T) {
	fset := token.NewFileSet()
	packages := make(map[string][]*ast.File)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		packages[filepath.Dir(path)] = append(packages[filepath.Dir(path)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range packages {
		for _, at := range sleepers(fset, files) {
			t.Errorf("%s: time.Sleep in a test: wait for a condition, or run in a synctest bubble", at)
		}
	}
}

func TestSleepers(t *testing.T) {
	const (
		bubble = "package p; import (`testing`; `testing/synctest`; `time`); func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }"
		test   = "package p; import (`testing`; `time`); func TestB(t *testing.T) { go func() { time.Sleep(1) }() }"
		helper = "package p; import `time`; func wait() { time.Sleep(1) }"
	)
	tests := []struct {
		name    string
		sources []string
		want    int
	}{
		{"in a bubble", []string{bubble}, 0},
		{"in real time", []string{test}, 1},
		{"in real time beside a bubble", []string{bubble, test}, 1},
		{"helper in real time", []string{helper}, 1},
		{"helper of a bubble", []string{bubble, helper}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			var files []*ast.File
			for _, source := range tt.sources {
				f, err := parser.ParseFile(fset, "p_test.go", strings.ReplaceAll(source, "`", `"`), 0)
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			if got := sleepers(fset, files); len(got) != tt.want {
				t.Errorf("got %v, want %d", got, tt.want)
			}
		})
	}
}
