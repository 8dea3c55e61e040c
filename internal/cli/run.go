package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
)

// Process is what a command may know of the process it runs in.
type Process struct {
	Args           []string // after the program's name
	Environ        []string // KEY=VALUE
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Journal        bool // Stderr is the systemd journal's
	// Hangups subscribes to SIGHUP. Only serve does; others end by it.
	Hangups func() <-chan os.Signal
}

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// errFound ends a command that did its work and found something to act on,
// which is in its output.
var errFound = errors.New("found something to act on")

// Run runs the command line and returns the exit code. It ends soon after ctx.
func Run(ctx context.Context, p Process) int {
	a := &app{process: p}
	root := a.rootCommand()
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		return exitFound
	}
	var usage usageError
	isUsage := errors.As(err, &usage)
	switch {
	case isUsage:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = errors.New("interrupted")
	}
	priority := ""
	if p.Journal {
		priority = priorityError
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i == 0 {
			line = "grantd: " + line
		}
		fmt.Fprintln(p.Stderr, priority+display.Visible(line))
	}
	if isUsage {
		return exitUsage
	}
	return exitFailed
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

See it work, with no account and no configuration:  grantd demo

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 found something
to act on. Results go to standard output, as text or with --json as JSON; errors
and the log go to standard error, as text.`,
		Example: `  grantd demo
  grantd setup --env-file grantd.env
  grantd serve --env-file grantd.env
  grantd doctor
  grantd explain tpc_8SXWY6j3afl2CP5ntwEOpM`,
		Version:       buildVersion().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          help,
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print results as JSON")
	f.StringVar(&a.envFile, "env-file", "", "read configuration from this `FILE`; the environment wins")
	f.StringVar(&a.socket, "socket", "", "control socket `PATH` of the running daemon")
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"To begin:", []*cobra.Command{a.demoCommand(), a.setupCommand(), a.serveCommand(), a.doctorCommand()}},
		{"To see:", []*cobra.Command{a.clientsCommand(), a.explainCommand(), a.historyCommand(), a.planCommand(), a.configCommand()}},
		{"To act:", []*cobra.Command{a.syncCommand(), a.holdCommand(), a.revertCommand(), a.ledgerCommand(), a.notifyCommand()}},
		{"To hand on:", []*cobra.Command{a.actionCommand(), a.metadataCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	root.AddCommand(a.versionCommand())
	strictUsage(root)
	return root
}

// help is what a command does that only has subcommands.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
