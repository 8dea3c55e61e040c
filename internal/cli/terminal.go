package cli

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// style is how text looks on a terminal that has colours.
type style string

// The styles.
const (
	plain  style = ""
	strong style = "\x1b[1m"
	faint  style = "\x1b[2m"
	good   style = "\x1b[32m"
	bad    style = "\x1b[31m"
	notice style = "\x1b[33m"
)

// painter applies styles, or does not.
type painter bool

func (p painter) paint(s style, text string) string {
	if !p || s == plain || text == "" {
		return text
	}
	return string(s) + text + "\x1b[0m"
}

// color reports whether w is a terminal that wants colours.
// https://no-color.org
func (a *app) color(w io.Writer) painter {
	for _, e := range a.process.Environ {
		if name, value, _ := strings.Cut(e, "="); name == "NO_COLOR" && value != "" || e == "TERM=dumb" {
			return false
		}
	}
	return painter(terminal(w))
}

// terminal reports whether rw, a reader or a writer, is a terminal.
func terminal(rw any) bool {
	f, ok := rw.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// terminalRows is how many rows the terminal w has, 0 where nobody knows.
func terminalRows(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}

// cell is one of a table. Its text must be printable.
type cell struct {
	text  string
	style style
}

// printTable prints rows in columns. The last column is as wide as its text.
func printTable(w io.Writer, p painter, rows [][]cell) error {
	_, err := printRows(w, p, rows, nil)
	return err
}

// printRows is printTable of rows after others: columns are at least as wide as
// those were. It returns the widths for the rows to come.
func printRows(w io.Writer, p painter, rows [][]cell, widths []int) ([]int, error) {
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, c := range row {
			b.WriteString(p.paint(c.style, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return widths, err
}
