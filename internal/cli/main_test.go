package cli_test

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"grantd/internal/cli"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// TestMain makes the test binary the grantd of the tests, as cmd/grantd makes
// the real one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"grantd": grantd})
}

func grantd() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Hangups: func() <-chan os.Signal {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGHUP)
			return c
		},
	}))
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each process takes a second to end under -race
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"auth0":    auth0,
			"await":    await,
			"chat":     startChat,
			"exits":    exits,
			"find":     find,
			"fresh":    freshTenant,
			"ledger":   writeLedger,
			"nobody":   nobody,
			"register": register,
			"schema":   setSchema,
			"shows":    shows,
			"tenant":   startTenant,
		},
	})
}
