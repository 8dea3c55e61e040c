package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Process is what a command may know of the process it runs in.
type Process struct {
	Args           []string // after the program's name
	Environ        []string // KEY=VALUE
	Stdout, Stderr io.Writer
	// Hangups subscribes to SIGHUP. Only serve does; others end by it.
	Hangups func() <-chan os.Signal
}

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error of whoever typed the command or wrote the
// configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errReported ends a command that has said already what went wrong.
var errReported = errors.New("reported")

// Run runs the command line and returns the exit code. It ends soon after ctx.
func Run(ctx context.Context, p Process) int {
	a := &app{process: p}
	root := a.rootCommand()
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		if !errors.Is(err, errReported) {
			fmt.Fprintf(p.Stderr, "grantd: %v\n", err)
		}
		return exitUsage
	default:
		if !errors.Is(err, errReported) {
			fmt.Fprintf(p.Stderr, "grantd: %v\n", err)
		}
		return exitFailed
	}
}

// app is what all commands share: the process and the global flags.
type app struct {
	process Process
	json    bool
	envFile string
	socket  string
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "grantd",
		Short: "Make clients that register themselves with Auth0 able to log in",
		Long: `grantd makes every client that registers itself with your Auth0 tenant able
to log in to your MCP server, and keeps it so.

See it work, with no account and no configuration:  grantd demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q; see grantd --help", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON")
	f.StringVar(&a.envFile, "env-file", "", "read configuration from this file; the environment wins")
	f.StringVar(&a.socket, "socket", "", "control socket of the running daemon")
	root.AddCommand(a.serveCommand(), a.clientsCommand(), a.demoCommand(), a.versionCommand())
	return root
}

// args makes cobra's complaints about arguments errors of usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
		}
		return nil
	}
}

// printJSON prints v, indented for people who look at it all the same.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
