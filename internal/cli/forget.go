package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/daemon"
	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
	"grantd/internal/store"
)

func (a *app) clientsForgetCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "forget CLIENT_ID",
		Short: "Remove the record of a client that is gone or refused",
		Long: `Remove the record of a client from the ledger. Nothing is touched in Auth0, and
what the journal has of the client stays, with a new entry that says that it was
forgotten.

Only a client that is gone or refused is forgotten: any other, the next sweep
would find again and treat as a new one; so it does with a refused client that
is still in the tenant. A client whose grant was there before grantd keeps the
scopes it had for as long as its record says so. --force forgets all the same.

It works through the daemon while one runs, else on the ledger's file.

Exit codes: 0 forgotten; 1 failed, no such client, or its record stays; 2 wrong
usage.`,
		Example: `  grantd clients forget tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd clients forget tpc_8SXWY6j3afl2CP5ntwEOpM --force --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("one client id, not %d; grantd clients list --phase gone has those to forget", len(args))
			}
			return clientIDs(args)
		},
		ValidArgsFunction: a.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.forget(cmd, args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "forget it although it is in use")
	return cmd
}

func (a *app) forget(cmd *cobra.Command, id string, force bool) error {
	forgetter, done, err := a.forgetter(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	f, err := forgetter.Forget(cmd.Context(), id, force)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %s; grantd clients list has those it knows", errNoClient, id)
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%s is in use: the next sweep would find it again and treat it as new. --force forgets it all the same", id)
	case errors.Is(err, store.ErrGrantKept):
		return fmt.Errorf("the grant of %s is from before grantd and keeps the scopes it had: forgotten, the client would lose those that are not desired once it is eligible. --force forgets it all the same", id)
	case err != nil:
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, f)
	}
	_, err = io.WriteString(out, describeForgotten(f))
	return err
}

// describeForgotten says what is forgotten, and what is not.
func describeForgotten(f api.Forgotten) string {
	var b strings.Builder
	id := display.Visible(f.Client.ClientID)
	fmt.Fprintf(&b, "Forgotten: %s, which was %s.\n", id, f.Client.Phase)
	if f.Client.Phase != dcr.Gone {
		fmt.Fprintln(&b, "Nothing was touched in Auth0. If the client is still there, the next sweep finds\nit again, as a new one.")
	}
	if len(f.Holds) > 0 {
		fmt.Fprintf(&b, "Its hold stays, should it register again; to release it:\n  grantd hold release %s\n", dcr.Argument(id))
	}
	return b.String()
}

// forgetter finds who removes records: the running daemon, or this process in
// the ledger's file. done must be called in the end, once.
func (a *app) forgetter(ctx context.Context) (_ api.Forgetter, done func(), err error) {
	daemonAt, l, err := a.writableLedger(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case l == nil:
		return newRemote(daemonAt), func() {}, nil
	}
	// Whoever gives the command reads in its output what the log would say.
	return daemon.NewForgetter(l, slog.New(slog.DiscardHandler)), func() { _ = l.Close() }, nil
}

// Forget implements api.Forgetter.
func (r remote) Forget(ctx context.Context, id string, force bool) (f api.Forgotten, err error) {
	path := "/api/v1/clients/" + url.PathEscape(id)
	if force {
		path += "?force=true"
	}
	err = r.ask(ctx, http.MethodDelete, path, &f)
	if errors.Is(err, errNotThere) {
		return f, store.ErrNotFound
	}
	if p, ok := errors.AsType[problemError](err); ok {
		switch p.Code {
		case api.CodeInUse:
			return f, store.ErrInUse
		case api.CodeGrantKept:
			return f, store.ErrGrantKept
		}
	}
	return f, err
}
