package cli

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/display"
	stories "grantd/internal/explain"
	api "grantd/internal/http"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CLIENT_ID",
		Short: "Tell why a client cannot log in, and what to do",
		Long: `Tell one client's story: whether people can log in with it, if not why and what
to do, and how that is known. It holds what the ledger last saw against what
Auth0 has now, and reads the client's last denials in the tenant's log, which
are the only trace: Auth0 tells a client that registered itself nothing.

CLIENT_ID can also be the URL of a client id metadata document, and a client
that grantd has never heard of. Nothing is written. It costs at most six
Management API calls for the client, and as many as grantd doctor for what is
wrong with the tenant. When Auth0 does not answer, it tells what the ledger
knows. While a daemon runs, the daemon does it.

Exit codes: 0 nothing for you to do, 1 failed, 2 wrong usage or configuration, 3
somebody has to act, and the output says who and how.`,
		Example: `  grantd explain tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd explain tpc_8SXWY6j3afl2CP5ntwEOpM --json | jq '.causes[0]'
  grantd explain https://chatgpt.com/oauth/client.json`,
		Args:              oneExplained,
		ValidArgsFunction: a.completeClient,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.explain(cmd, args[0]) },
	}
}

// oneExplained takes a client id, or the URL of a document.
func oneExplained(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errWhichClient
	case len(args) > 1:
		return fmt.Errorf("one client id, not %d", len(args))
	case !stories.ValidID(args[0]):
		return fmt.Errorf("%q can be neither a client id nor the https URL of a metadata document; grantd clients list has the ids", display.Cut(args[0], 40))
	}
	return nil
}

func (a *app) explain(cmd *cobra.Command, id string) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), true)
	if err != nil {
		return err
	}
	defer done()
	s, err := commands.Explain(cmd.Context(), id)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if a.json {
		err = printJSON(out, s)
	} else {
		err = printStory(out, a.color(out), s, time.Now())
	}
	if err == nil && s.NeedsPerson() {
		return errFound
	}
	return err
}

// Explain implements api.Commands.
func (r remote) Explain(ctx context.Context, id string) (stories.Story, error) {
	m, err := r.run(ctx, "/api/v1/explain?"+url.Values{"client_id": {id}}.Encode(), func(api.Progress) {})
	return lastly(m.Explained, err)
}
