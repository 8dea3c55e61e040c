package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
)

func (a *app) revertCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "revert SEQ",
		Short: "Undo a change that grantd made in Auth0",
		Long: `Undo one change that grantd made in Auth0: entry SEQ of its journal, which
"grantd history" lists. What the entry changed is put back as it was before, if
it still is as grantd left it; if somebody changed it since, nothing is written.

The client is held from then on, so that it stays undone. Undoing the promotion
of a connection to domain level concerns every client: the connection is then
left alone for all. "grantd hold release" lets grantd go on, and so make the
change again.

A grant that grantd created is deleted, for which its application in Auth0 needs
delete:client_grants while the command runs.

Exit codes: 0 undone, or with --dry-run could be; 1 failed: it was changed
since, is gone, was undone before, or cannot be; 2 wrong usage or configuration.`,
		Example: "  grantd history\n  grantd revert 42 --dry-run\n  grantd revert 42",
		Args:    oneEntry,
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := parseEntry(args[0])
			if err != nil {
				return misuse(cmd, err)
			}
			return a.revert(cmd, seq, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	return cmd
}

func oneEntry(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("one journal entry, not %d; grantd history lists them", len(args))
	}
	_, err := parseEntry(args[0])
	return err
}

func parseEntry(s string) (uint64, error) {
	seq, err := strconv.ParseUint(s, 10, 64)
	if err != nil || seq == 0 {
		return 0, fmt.Errorf("%q is not the number of a journal entry; grantd history lists them", display.Cut(s, 40))
	}
	return seq, nil
}

func (a *app) revert(cmd *cobra.Command, seq uint64, dryRun bool) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), dryRun)
	if err != nil {
		return err
	}
	defer done()
	r, err := commands.Revert(cmd.Context(), seq, dryRun)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), r)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), describeReverted(r))
	return err
}

// describeReverted says what was undone, what is held for it, and how that ends.
func describeReverted(r api.Reverted) string {
	var b strings.Builder
	did, holds := "Reverted", "is held, so that it stays undone"
	if r.DryRun {
		did, holds = "Would revert", "would be held, so that it stays undone"
	}
	fmt.Fprintf(&b, "%s entry %d, %s of %s: %s\n", did, r.Seq, display.Line(string(r.Step), 40), display.Line(r.ClientID, 128), describeUndone(r))
	for _, note := range r.Notes {
		fmt.Fprintln(&b, display.Line(note, 1000))
	}
	what := "The client"
	if r.Hold.ClientID == "" {
		what = "The step " + display.Line(string(r.Hold.Field), 40) + " of every client"
	}
	fmt.Fprintf(&b, "%s %s. To let grantd go on: %s\n", what, holds, display.Line(r.Release, 200))
	return b.String()
}

// describeUndone says in words what is again as it was.
func describeUndone(r api.Reverted) string {
	switch r.Step {
	case dcr.StepGrant, dcr.StepRevoke:
		if len(r.After) == 0 {
			return "the grant is deleted"
		}
		if r.After["allow_all_scopes"] == true {
			return "the grant holds every scope of the API"
		}
		if scopes, ok := dcr.Texts(r.After["scope"]); ok {
			return display.Line("the grant holds "+list(scopes), 1000)
		}
	case dcr.StepConnect:
		return display.Line("disabled "+value(r.After["connection"])+" for it", 1000)
	case dcr.StepDomainLevel:
		return display.Line(value(r.After["connection"])+" is not domain-level any more", 1000)
	}
	return display.Line(describeFields(dcr.Change{Before: r.Before, After: r.After}), 1000)
}

// Revert implements api.Reverter.
func (r remote) Revert(ctx context.Context, seq uint64, dryRun bool) (api.Reverted, error) {
	q := url.Values{"seq": {strconv.FormatUint(seq, 10)}}
	if dryRun {
		q.Set("dry_run", "true")
	}
	m, err := r.run(ctx, "/api/v1/revert?"+q.Encode(), func(api.Progress) {})
	return lastly(m.Reverted, err)
}
