package cli

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command has examples, and every grantd in them is one that would run:
// there is such a command, with such flags and so many arguments.
func TestExamples(t *testing.T) {
	each((&app{}).rootCommand(), func(cmd *cobra.Command) {
		lines := 0
		for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", "")) {
			for _, words := range invocations(line) {
				lines++
				if err := wouldRun(words); err != nil {
					t.Errorf("%s: %s: %v", cmd.CommandPath(), strings.TrimSpace(line), err)
				}
			}
		}
		if lines == 0 {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
	})
}

// invocations are the command lines of grantd in a line of a shell, without
// grantd itself.
func invocations(line string) (all [][]string) {
	line = regexp.MustCompile(`\$\([^)]*\)`).ReplaceAllString(line, "x")
	words := strings.Fields(strings.NewReplacer("<(", " ", ")", " ").Replace(line))
	for i, w := range words {
		if w != "grantd" || i > 0 && !slices.Contains([]string{"sudo", "|", "&&", ";", "do", ""}, strings.TrimRight(words[i-1], "|;")) && !strings.HasSuffix(words[i-1], ";") {
			continue
		}
		rest := words[i+1:]
		if end := slices.IndexFunc(rest, func(w string) bool { return strings.ContainsAny(w, "|>;&") || w == "#" }); end >= 0 {
			rest = rest[:end]
		}
		all = append(all, rest)
	}
	return all
}

func wouldRun(words []string) error {
	cmd, rest, err := (&app{}).rootCommand().Find(words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, err := cmd.Flags().GetBool("help"); help || err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// Every flag says what it is for.
func TestFlagsAreExplained(t *testing.T) {
	each((&app{}).rootCommand(), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing", cmd.CommandPath(), f.Name)
			}
		})
	})
}
