// Command world is what the browser tests look at: a simulated Auth0 tenant and
// a real grantd beside it. It takes commands on standard input, a JSON object a
// line, answers each with one on standard output, and ends, leaving nothing
// behind, when standard input does.
//
//	{"id":1,"do":"register","name":"ChatGPT","count":2}  {"id":1,"client_ids":["tpc_…","tpc_…"]}
//	{"id":2,"do":"outage","on":true}                     {"id":2}
//
// The first line it prints has no id and says where everything listens.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "world:", err)
		os.Exit(1)
	}
}

// options of a world.
type options struct {
	exe  string   // the grantd binary
	fill int      // clients that the ledger begins with
	env  []string // added to grantd's, KEY=VALUE
	log  io.Writer
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{log: stderr}
	flags := flag.NewFlagSet("world", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.exe, "grantd", "", "the grantd binary")
	flags.IntVar(&o.fill, "fill", 0, "how many clients the ledger begins with")
	flags.Func("env", "KEY=VALUE for grantd's environment, may be repeated", func(s string) error {
		if !strings.Contains(s, "=") {
			return errors.New("want KEY=VALUE")
		}
		o.env = append(o.env, s)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.exe == "" {
		return o, errors.New("-grantd is needed")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	w, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	out := json.NewEncoder(stdout)
	if err := out.Encode(w.where()); err != nil {
		return err
	}
	context.AfterFunc(ctx, w.close) // standard input may never end
	lines := bufio.NewScanner(stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := out.Encode(w.answer(ctx, lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}
