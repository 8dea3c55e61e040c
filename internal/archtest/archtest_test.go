package archtest_test

import (
	"errors"
	"flag"
	"fmt"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table of packages into docs/architecture.md")

// layer is a package and what it is for, for docs/architecture.md.
type layer struct {
	name    string // without the module's path
	purpose string
	support bool // for tests only, but for all of them
}

// layers is the order of the packages: each may import those below it and none
// above, so that whoever changes a package knows whom it cannot have broken.
var layers = []layer{
	{name: "cmd/grantd", purpose: "main: signals, arguments, exit code"},
	{name: "e2e/world", purpose: "a tenant and grantd that the browser tests look at, and command; tests only"},
	{name: "internal/e2e", purpose: "the promises, tested on the built binary from outside; tests only"},
	{name: "internal/torture", purpose: "the built binary killed at its worst moments and worked for hours; tests only"},
	{name: "internal/cli", purpose: "the commands, one file each"},
	{name: "internal/demo", purpose: "the tour: grantd as a process against a simulated tenant, checking what it shows"},
	{name: "internal/daemon", purpose: "wiring and lifecycle: what is opened, run, reloaded and stopped in which order"},
	{name: "internal/config", purpose: "one table of environment variables that reads, checks and documents them"},
	{name: "internal/http", purpose: "the public and the admin listener and the control socket"},
	{name: "internal/page", purpose: "the status page: HTML, style and script of its own; only reads"},
	{name: "internal/notify", purpose: "tells people what needs them, in a chat of theirs; never in the way"},
	{name: "internal/explain", purpose: "one client's story in plain words; pure"},
	{name: "internal/setup", purpose: "what a tenant lacks for grantd, and what makes it so; the plan is pure"},
	{name: "internal/doctor", purpose: "what keeps clients from registering and people from logging in, and what to do about it"},
	{name: "internal/metrics", purpose: "Prometheus metrics in a registry of their own"},
	{name: "internal/health", purpose: "how grantd is doing, answered from memory"},
	{name: "internal/feed", purpose: "where sightings come from: decode, classify, take in, poll"},
	{name: "internal/scope", purpose: "the scopes that shall be granted: environment, file and URL; what they said last stays"},
	{name: "internal/certs/certstest", purpose: "certificates for tests", support: true},
	{name: "internal/certs", purpose: "the listeners' certificate: from files that are followed, or had and renewed by ACME"},
	{name: "internal/watch", purpose: "tells when a file may have changed"},
	{name: "internal/reconcile", purpose: "the loop, and one client at a time: observe, decide, plan, apply, settle"},
	{name: "internal/store/storetest", purpose: "ledgers for tests, checked at their end", support: true},
	{name: "internal/store", purpose: "the ledger: record, work queue and journal in one file"},
	{name: "internal/auth0", purpose: "the Management API in our nouns, and the token"},
	{name: "internal/budget", purpose: "when the next Management API call may be made, learned from headers"},
	{name: "internal/plan", purpose: "what would be changed: desired, observed, steps; pure"},
	{name: "internal/policy", purpose: "may this client be touched: the allow-list of callbacks; pure"},
	{name: "internal/dcr", purpose: "the nouns everybody shares; standard library only"},
	{name: "internal/display", purpose: "makes text from outside harmless to look at"},
	{name: "internal/spell", purpose: "how far apart two words are, for: did you mean"},
	{name: "internal/failpoint", purpose: "places where a test kills the process; nothing in other builds"},
	{name: "internal/bench", purpose: "the built binary measured from outside; benchmarks only"},
	{name: "internal/child", purpose: "grantd as a process of its own, for the demo and black-box tests"},
	{name: "internal/tenantsim", purpose: "a simulated Auth0 tenant over HTTP; standard library only, knows nothing of ours"},
	{name: "internal/doctest", purpose: "the documentation as tests read it, and its links", support: true},
	{name: "internal/archtest", purpose: "this order, as a test"},
}

const root = "../.." // the module's folder

// pkg is a package and whom it imports, all as import paths without the
// module's, if it is ours.
type pkg struct {
	name           string
	imports, tests []string
}

// readPackages reads the imports of all packages. It reads the files itself
// rather than ask the go command, so that the cached result of this test is
// dropped when one changes.
func readPackages(t *testing.T) []pkg {
	t.Helper()
	var pkgs []pkg
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") && dir != root {
			return fs.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		if _, ok := errors.AsType[*build.NoGoError](err); ok {
			return nil
		} else if err != nil {
			return err
		}
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		pkgs = append(pkgs, pkg{
			name:    filepath.ToSlash(name),
			imports: ours(p.Imports),
			tests:   ours(append(p.TestImports, p.XTestImports...)),
		})
		return nil
	})
	if err != nil {
		t.Fatalf("read imports: %v", err)
	}
	return pkgs
}

// ours returns those of the paths that are of this module, without its name.
func ours(paths []string) []string {
	var found []string
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, "grantd/"); ok {
			found = append(found, name)
		}
	}
	return found
}

// violations says what of the packages breaks the order.
func violations(layers []layer, pkgs []pkg) []string {
	var found []string
	rank := make(map[string]int)
	for i, l := range layers {
		rank[l.name] = i
	}
	listed := make(map[string]bool)
	for _, p := range pkgs {
		listed[p.name] = true
		from, ok := rank[p.name]
		if !ok {
			found = append(found, p.name+" is not in the table: add it to layers in internal/archtest, above all it imports and below all that import it")
			continue
		}
		check := func(imports []string, test bool) {
			for _, imported := range imports {
				to, known := rank[imported]
				switch {
				case !known || to == from:
				case layers[to].support:
					if !test && !layers[from].support {
						found = append(found, fmt.Sprintf("%s imports %s, which is for tests only", p.name, imported))
					}
				case to < from:
					found = append(found, fmt.Sprintf("%s imports %s, which is above it: declare an interface where it is used, or move what is shared further down", p.name, imported))
				}
			}
		}
		check(p.imports, false)
		check(p.tests, true)
	}
	for _, l := range layers {
		if !listed[l.name] {
			found = append(found, l.name+" is in the table and nowhere else: remove it from layers in internal/archtest")
		}
	}
	return slices.Compact(found)
}

func TestImportsPointDown(t *testing.T) {
	for _, v := range violations(layers, readPackages(t)) {
		t.Error(v)
	}
}

func TestViolations(t *testing.T) {
	order := []layer{{name: "top"}, {name: "toptest", support: true}, {name: "bottom"}}
	pkgs := func(name string, imports, tests []string) []pkg {
		all := map[string]pkg{"top": {name: "top"}, "toptest": {name: "toptest"}, "bottom": {name: "bottom"}}
		all[name] = pkg{name, imports, tests}
		return slices.Collect(maps.Values(all))
	}
	tests := []struct {
		name string
		pkgs []pkg
		want string // part of the only violation; empty: none
	}{
		{"down", pkgs("top", []string{"bottom"}, nil), ""},
		{"own external test", pkgs("bottom", nil, []string{"bottom"}), ""},
		{"support from a test", pkgs("top", nil, []string{"toptest"}), ""},
		{"support from a test below", pkgs("bottom", nil, []string{"toptest"}), ""},
		{"support from support", pkgs("toptest", []string{"bottom"}, nil), ""},
		{"up", pkgs("bottom", []string{"top"}, nil), "bottom imports top, which is above it"},
		{"up from a test", pkgs("bottom", nil, []string{"top"}), "bottom imports top, which is above it"},
		{"support from the product", pkgs("top", []string{"toptest"}, nil), "for tests only"},
		{"unknown", pkgs("new", nil, nil), "new is not in the table"},
		{"vanished", []pkg{{name: "toptest"}, {name: "bottom"}}, "top is in the table and nowhere else"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := violations(order, tt.pkgs)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

const (
	document = root + "/docs/architecture.md"
	begin    = "<!-- packages: written by go test ./internal/archtest -update -->\n"
	end      = "<!-- /packages -->\n"
)

func TestDocumentUpToDate(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", document, begin, end)
	}
	var b strings.Builder
	b.WriteString("```text\n")
	for _, l := range layers {
		fmt.Fprintf(&b, "%-26s%s\n", l.name, l.purpose)
	}
	b.WriteString("```\n")
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(old, b.String()); diff != "" {
		t.Errorf("%s is out of date, run go test ./internal/archtest -update (-document +table):\n%s", document, diff)
	}
}
