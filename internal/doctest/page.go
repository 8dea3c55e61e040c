package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Page is one Markdown file.
type Page struct {
	Path    string // from the repository's folder, with slashes
	Text    string
	Anchors []string // of its headings, as GitHub names them
	Links   []Link
	Spans   []Code // code within a line
	Fences  []Code // code between fences
}

// Link is a link and the line in which it stands, counted from 1.
type Link struct {
	Line   int
	Target string
}

// Code is a piece of code and the line in which it begins, counted from 1.
type Code struct {
	Line int
	Lang string // what stands behind the opening fence
	Text string
}

// Pages reads all pages below a folder, but for those of folders that are not
// of the project: hidden ones, testdata, and what tools install.
func Pages(root string) ([]Page, error) {
	var pages []Page
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			foreign := slices.Contains([]string{"testdata", "node_modules", "bin", "dist"}, d.Name())
			if path != root && (foreign || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		pages = append(pages, Parse(filepath.ToSlash(name), string(text)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	return pages, nil
}

var (
	fence   = regexp.MustCompile("^ *(```+|~~~+) *([^`]*)$")
	heading = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)(?: +"[^"]*")?\)`)
	anchor  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// Parse reads a page.
func Parse(path, text string) Page {
	p := Page{Path: path, Text: text}
	var open *Code // the fence that is open
	mark := ""
	seen := map[string]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && m != nil && strings.HasPrefix(m[1], mark) && m[2] == "":
			p.Fences = append(p.Fences, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		case m != nil:
			open, mark = &Code{Line: n + 1, Lang: strings.TrimSpace(m[2])}, m[1]
		default:
			p.prose(n, line, seen)
		}
	}
	if open != nil {
		p.Fences = append(p.Fences, *open)
	}
	return p
}

// prose takes a line that is not of a fence.
func (p *Page) prose(n int, line string, seen map[string]int) {
	if m := heading.FindStringSubmatch(line); m != nil {
		slug := Slug(m[1])
		if k := seen[slug]; k > 0 {
			p.Anchors = append(p.Anchors, fmt.Sprintf("%s-%d", slug, k))
		} else {
			p.Anchors = append(p.Anchors, slug)
		}
		seen[slug]++
	}
	spans, rest := cutSpans(line)
	for _, s := range spans {
		p.Spans = append(p.Spans, Code{Line: n, Text: s})
	}
	for _, m := range link.FindAllStringSubmatch(rest, -1) {
		p.Links = append(p.Links, Link{n, m[1]})
	}
	for _, m := range anchor.FindAllStringSubmatch(rest, -1) {
		p.Anchors = append(p.Anchors, m[1])
	}
}

// cutSpans takes the code out of a line.
func cutSpans(line string) (spans []string, rest string) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(line, "`")
		b.WriteString(before)
		if !ok {
			return spans, b.String()
		}
		ticks := "`"
		for strings.HasPrefix(after, "`") {
			after, ticks = after[1:], ticks+"`"
		}
		code, rest, ok := strings.Cut(after, ticks)
		if !ok {
			line = after
			continue
		}
		spans = append(spans, strings.TrimSpace(code))
		line = rest
	}
}

// Slug is the anchor that GitHub gives to a heading that is the first of its
// name.
func Slug(heading string) string {
	text := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}
