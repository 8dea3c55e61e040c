package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"grantd/internal/display"
)

const (
	// shownGroups and shownRows are how many groups, and rows of each, are
	// printed as text.
	shownGroups, shownRows = 20, 10
)

// group is what there is to say of several clients or grants at once.
type group struct {
	title string // such as a reason; may be empty
	noun  string // of a row, for the title
	style style  // of the title
	lines []string
	rows  [][]cell
	n     int    // how many there are, when not all are among the rows
	more  string // where the others are
}

func (g group) size() int { return max(g.n, len(g.rows)) }

// groups are groups in the making.
type groups struct {
	all  []*group
	byID map[string]*group
}

// add adds a row to the group with that title and those lines.
func (g *groups) add(to group, row []cell) {
	id := to.title + "\n" + strings.Join(to.lines, "\n")
	if g.byID == nil {
		g.byID = map[string]*group{}
	}
	in, ok := g.byID[id]
	if !ok {
		in = &to
		g.byID[id] = in
		g.all = append(g.all, in)
	}
	in.rows = append(in.rows, row)
}

// largestFirst are the groups, those with the most rows first.
func (g *groups) largestFirst() []group {
	slices.SortStableFunc(g.all, func(a, b *group) int { return cmp.Compare(len(b.rows), len(a.rows)) })
	out := make([]group, len(g.all))
	for i, one := range g.all {
		out[i] = *one
	}
	return out
}

// printGroups prints groups, each with an empty line after it. heading, if any,
// stands above them after the number of their rows.
func printGroups(w io.Writer, p painter, heading string, all []group) {
	rows := 0
	for _, g := range all {
		rows += g.size()
	}
	if heading != "" && rows > 0 {
		if rows == 1 {
			heading = strings.Replace(heading, "clients", "client", 1)
		}
		fmt.Fprintf(w, "%s\n\n", p.paint(strong, fmt.Sprintf("%d %s", rows, heading)))
	}
	for i, g := range all {
		if i == shownGroups {
			rest := 0
			for _, g := range all[i:] {
				rest += g.size()
			}
			fmt.Fprintf(w, "… and %d more, in other ways; --json lists all\n\n", rest)
			return
		}
		g.print(w, p)
	}
}

func (g group) print(w io.Writer, p painter) {
	if g.title != "" {
		fmt.Fprintln(w, p.paint(strong, count(g.size(), g.noun))+"  "+p.paint(g.style, display.Visible(g.title)))
	}
	for _, line := range g.lines {
		fmt.Fprintln(w, line)
	}
	shown := g.rows[:min(len(g.rows), shownRows)]
	var b strings.Builder
	_ = printTable(&b, p, shown) // a Builder takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, "    "+strings.TrimRight(line, " \n"))
	}
	if more := g.size() - len(shown); more > 0 {
		where := display.Visible(g.more)
		if where == "" {
			where = "--json"
		}
		fmt.Fprintf(w, "    … and %d more; %s lists all\n", more, where)
	}
	fmt.Fprintln(w)
}

// wrapped is text from outside, indented and wrapped, after a label that
// stands on its first line.
func wrapped(label, text string) []string {
	indent := "  "
	first := indent + display.Visible(label)
	lines := wrap(display.Line(text, 2000), width-len(first))
	for i := range lines {
		if i == 0 {
			lines[i] = first + lines[i]
		} else {
			lines[i] = indent + strings.Repeat(" ", len(label)) + lines[i]
		}
	}
	return lines
}
