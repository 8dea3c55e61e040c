package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"grantd/internal/display"
)

// usageError is an error of whoever typed the command or wrote the
// configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// suggestionDistance is how many letters a mistyped command may be off.
const suggestionDistance = 2

// strictUsage makes whatever cobra finds wrong with a command line a
// usageError that names the way to help, also in the commands cobra adds.
func strictUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		unknown, ok := errors.AsType[*pflag.NotExistError](err)
		if ok && unknown.GetSpecifiedShortnames() != "" && strings.Contains(cmd.Use, "CLIENT_ID") {
			err = fmt.Errorf("%w\nA client id that begins with - goes last, after --", err)
		}
		return misuse(cmd, err)
	})
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	explainCompletion(root)
	var each func(*cobra.Command)
	each = func(cmd *cobra.Command) {
		cmd.SuggestionsMinimumDistance = suggestionDistance
		check := cmd.Args
		if cmd.HasSubCommands() {
			if !cmd.Runnable() {
				cmd.RunE = help
			}
			check = noSuchCommand
		}
		if check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return misuse(cmd, err)
				}
				return nil
			}
		}
		for _, c := range cmd.Commands() {
			each(c)
		}
	}
	each(root)
}

func misuse(cmd *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%w\nSee %s --help", err, cmd.CommandPath())}
}

// noSuchCommand refuses arguments of a command that only has subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s has no command %q", cmd.CommandPath(), display.Cut(args[0], 40))
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		b.WriteString("; did you mean " + strings.Join(s, " or ") + "?")
	}
	return errors.New(b.String())
}

// noArguments is cobra.NoArgs in plain words.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments, not even %q", cmd.CommandPath(), display.Cut(args[0], 40))
	}
	return nil
}

// helpCommand is cobra's own but for its exit code when there is no such
// command.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Help about any command",
		Example: `  grantd help clients list
  grantd clients list --help`,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return misuse(root, err)
			}
			if len(rest) > 0 {
				return misuse(cmd, noSuchCommand(cmd, rest))
			}
			return cmd.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if cmd, rest, err := root.Find(args); err == nil && len(rest) == 0 {
				for _, c := range cmd.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
