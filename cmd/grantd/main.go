// Command grantd makes clients that register themselves with an Auth0 tenant
// able to log in, and keeps them so.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"grantd/internal/cli"
	"grantd/internal/daemon"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on, a second signal ends the process at once
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Journal: daemon.LogsToJournal(),
		Hangups: func() <-chan os.Signal {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGHUP)
			return c
		},
	}))
}
