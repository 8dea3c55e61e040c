//go:build ignore

// Licenses lists the licence of everything that is linked into grantd, and fails
// on one that is not on the list below, or that it cannot tell. It is run by
// scripts/licenses and reads nothing but the module cache.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/licensecheck"
)

// allowed are the licences, by SPDX identifier, under which code may be linked
// into a binary that is given away under the Apache License 2.0.
var allowed = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib",
}

// leastKnown is how much of a file must be text of known licences, in percent.
// The rest is names and years.
const leastKnown = 75

// module is one that is linked in, with the folders of it that are.
type module struct {
	name, dir string
	folders   []string
}

func main() {
	modules, err := linked(os.Args[1:])
	if err != nil {
		fmt.Println("list what is linked:", err)
		os.Exit(1)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	failed := 0
	for _, m := range modules {
		ids, err := licences(m)
		fmt.Fprintf(out, "%s\t%s\n", m.name, strings.Join(ids, ", "))
		if err != nil {
			failed++
			fmt.Fprintf(out, "  FAILED\t%v\n", err)
		}
	}
	_ = out.Flush()
	fmt.Printf("%d modules, %d with a licence that is not allowed or not known\n", len(modules), failed)
	if failed > 0 || len(modules) < 2 {
		os.Exit(1)
	}
}

// linked are the modules and the standard library behind the packages.
func linked(packages []string) ([]module, error) {
	const format = `{{if .Standard}}{{else}}{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{"\t"}}{{.Dir}}{{end}}{{end}}{{"\t"}}{{.Dir}}{{end}}`
	cmd := exec.Command("go", append([]string{"list", "-deps", "-f", format}, packages...)...)
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	root := string(bytes.TrimSpace(goroot))
	all := []module{{name: "Go's standard library", dir: root, folders: []string{root}}}
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || f[0] == "" {
			continue // our own
		}
		i := slices.IndexFunc(all, func(m module) bool { return m.name == f[0] })
		if i < 0 {
			i = len(all)
			all = append(all, module{name: f[0], dir: f[1]})
		}
		all[i].folders = append(all[i].folders, f[2])
	}
	slices.SortFunc(all[1:], func(a, b module) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// licences reads the licence files at the root of a module, of which there must
// be one, and in every linked folder of it and those above.
func licences(m module) (ids []string, err error) {
	var errs []error
	read := map[string]bool{}
	found := false
	for _, folder := range append([]string{m.dir}, m.folders...) {
		for dir := folder; strings.HasPrefix(dir, m.dir) && !read[dir]; dir = filepath.Dir(dir) {
			read[dir] = true
			files, err := os.ReadDir(dir)
			if err != nil {
				return nil, err
			}
			for _, file := range files {
				if file.IsDir() || !isLicence(file.Name()) {
					continue
				}
				got, err := licence(filepath.Join(dir, file.Name()))
				ids = append(ids, got...)
				errs = append(errs, err)
				found = found || dir == m.dir
			}
		}
	}
	if !found {
		errs = append(errs, fmt.Errorf("no licence file in %s", m.dir))
	}
	slices.Sort(ids)
	return slices.Compact(ids), errors.Join(errs...)
}

// isLicence reports whether a file is called as licences are.
func isLicence(name string) bool {
	upper := strings.ToUpper(name)
	if strings.HasSuffix(upper, ".GO") {
		return false
	}
	return slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"}, func(begin string) bool {
		return strings.HasPrefix(upper, begin)
	})
}

// licence tells which licences a file holds.
func licence(path string) (ids []string, _ error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found := licensecheck.Scan(text)
	if found.Percent < leastKnown {
		return nil, fmt.Errorf("%s: %.0f %% of it is known, and %d %% is needed", path, found.Percent, leastKnown)
	}
	var errs []error
	for _, m := range found.Match {
		ids = append(ids, m.ID)
		if !slices.Contains(allowed, m.ID) {
			errs = append(errs, fmt.Errorf("%s: %s is not allowed", path, m.ID))
		}
	}
	return ids, errors.Join(errs...)
}
