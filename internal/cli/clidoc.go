package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WriteMarkdown writes the documentation of every command, from the commands
// themselves.
func WriteMarkdown(w io.Writer) error {
	root := (&app{}).rootCommand()
	root.InitDefaultVersionFlag()
	var b strings.Builder
	fmt.Fprint(&b, `# Commands

This page is printed by the commands themselves, and a test fails when the two differ. `+"`grantd COMMAND --help`"+` says the same.

Every command takes these flags:

`)
	writeFlags(&b, root.PersistentFlags())
	fmt.Fprint(&b, `
While a daemon runs, commands go through its control socket; else they open the ledger themselves. Results go to standard output, as text or with `+"`--json`"+` as JSON, errors and the log to standard error. There are colours on a terminal only, and none with `+"`NO_COLOR`"+`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | wrong usage or configuration |
| 3 | found something to act on |

`)
	each(root, func(cmd *cobra.Command) {
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", cmd.CommandPath(), anchor(cmd), cmd.Short)
	})
	each(root, func(cmd *cobra.Command) { writeCommand(&b, cmd) })
	_, err := io.WriteString(w, b.String())
	return err
}

// each visits a command and those below it, in the order of their names.
func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Hidden {
		return
	}
	visit(cmd)
	for _, sub := range cmd.Commands() { // cobra sorts them
		each(sub, visit)
	}
}

// anchor is how GitHub names the heading of a command.
func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), fenced("text", cmd.UseLine()))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n%s\n", fenced("text", text))
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n%s\n", fenced("sh", unindent(cmd.Example)))
	}
	var flags strings.Builder
	writeFlags(&flags, cmd.LocalNonPersistentFlags())
	if flags.Len() > 0 {
		b.WriteString("\n" + flags.String())
	}
}

// fenced is text as it stands, in a block of code.
func fenced(language, text string) string {
	return "```" + language + "\n" + strings.Trim(text, "\n") + "\n```"
}

// unindent takes away the two spaces before every line of an example.
func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// writeFlags writes a table of flags, in the order of their names, without the
// flag for help that every command has.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			b.WriteString("| flag | default | meaning |\n| --- | --- | --- |\n")
			first = false
		}
		name, usage := pflag.UnquoteUsage(f)
		shown := "--" + f.Name
		if name != "" {
			shown += " " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", shown, def, strings.ReplaceAll(usage, "|", `\|`))
	})
}
