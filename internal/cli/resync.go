package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
	"grantd/internal/store"
)

func (a *app) clientsResyncCommand() *cobra.Command {
	var all bool
	var phase string
	cmd := &cobra.Command{
		Use:   "resync CLIENT_ID...|--all|--phase PHASE",
		Short: "Look at clients again now, and put right what differs",
		Long: `Look at clients again now, without waiting for a sweep or for the next attempt,
and put right what differs. What is remembered of connections and the API is
read anew, and a Management API token that was refused is asked for again.

A client that is named is looked at before all others, and what came of it is
waited for and printed. With --all or --phase clients become due behind those
that registered just now: while a daemon runs, it goes on with them when the
command has ended; else the command does it and waits. "grantd sync" looks at
the whole tenant and costs fewer calls where there are many.

Exit codes: 0 ready, or due; 1 failed, also when it is tried again; 2 wrong
usage or configuration; 3 looked at, and not as desired: blocked, refused, gone,
or waiting for a person.`,
		Example: `  grantd clients resync tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd clients resync --phase blocked
  grantd clients resync --all --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch many := all || cmd.Flags().Changed("phase"); {
			case many && len(args) > 0:
				return errors.New("either client ids, or --all or --phase")
			case all && cmd.Flags().Changed("phase"):
				return errors.New("either --all or --phase")
			case !many && len(args) == 0:
				return errors.New("which clients? Give client ids, --phase or --all; grantd clients list has them")
			}
			return clientIDs(args)
		},
		ValidArgsFunction: a.completeClients,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.resync(cmd, args)
			}
			if phase != "" && !slices.Contains(phaseNames(), phase) || phase == "" && !all {
				return misuse(cmd, fmt.Errorf("--phase %q: there are %s", display.Cut(phase, 40), strings.Join(phaseNames(), ", ")))
			}
			return a.resyncAll(cmd, dcr.Phase(phase))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all clients but those gone")
	cmd.Flags().StringVar(&phase, "phase", "", "all clients in this `PHASE`: "+strings.Join(phaseNames(), ", "))
	completeFlag(cmd, "phase", phaseNames())
	return cmd
}

// clientIDs wants client ids.
func clientIDs(args []string) error {
	for _, id := range args {
		if !dcr.ValidClientID(id) {
			return fmt.Errorf("%q cannot be a client id; grantd clients list has them", display.Cut(id, 40))
		}
	}
	return nil
}

// resyncedList is what --json prints of clients that were looked at.
type resyncedList struct {
	Schema  int            `json:"schema"`
	Clients []api.Resynced `json:"clients"`
}

func (a *app) resync(cmd *cobra.Command, ids []string) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), false)
	if err != nil {
		return err
	}
	defer done()
	list := resyncedList{Schema: 1, Clients: []api.Resynced{}}
	var worst error
	out := cmd.OutOrStdout()
	for i, id := range ids {
		r, err := commands.Resync(cmd.Context(), id)
		if errors.Is(err, store.ErrNotFound) {
			err = fmt.Errorf("%w: %s; grantd clients list has those it knows", errNoClient, id)
		}
		if err != nil {
			worst = err
			break
		}
		list.Clients = append(list.Clients, r)
		worst = worse(worst, endOf(r.Client))
		if a.json {
			continue
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printResynced(out, a.color(out), r); err != nil {
			return err
		}
	}
	if a.json && len(list.Clients) > 0 {
		if err := printJSON(out, list); err != nil {
			return err
		}
	}
	return worst
}

// worse is the worse of two outcomes: nothing, something found, a failure.
func worse(a, b error) error {
	if a == nil || b != nil && errors.Is(a, errFound) {
		return b
	}
	return a
}

// endOf is how a command ends that left a client so.
func endOf(c api.Client) error {
	switch {
	case c.Phase == dcr.Ready:
		return nil
	case c.Phase == dcr.Pending && c.LastError != "":
		return fmt.Errorf("%s could not be put right: %s; a daemon tries it again by itself", c.ClientID, c.LastError)
	default:
		return errFound
	}
}

func printResynced(w io.Writer, p painter, r api.Resynced) error {
	var b strings.Builder
	sheet{p, &b, time.Now()}.head(r.Client)
	for _, e := range r.Changes {
		for _, line := range wrapped(fmt.Sprintf("%-9s", e.Step), describe(dcr.Change{Step: e.Step, Before: e.Before, After: e.After})) {
			fmt.Fprintln(&b, line)
		}
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(&b, "Nothing was changed.")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *app) resyncAll(cmd *cobra.Command, phase dcr.Phase) error {
	commands, done, err := a.commands(cmd.Context(), cmd.ErrOrStderr(), false)
	if err != nil {
		return err
	}
	defer done()
	bar := a.progress(cmd.ErrOrStderr())
	r, err := commands.ResyncAll(cmd.Context(), phase, bar.show)
	bar.end()
	if err != nil {
		return err
	}
	if a.json {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		err = printResyncedAll(cmd.OutOrStdout(), a.color(cmd.OutOrStdout()), r)
	}
	if err == nil && len(r.Left) > 0 {
		return errFound
	}
	return err
}

func printResyncedAll(w io.Writer, p painter, r api.ResyncedAll) error {
	var b strings.Builder
	printGroups(&b, p, "", leftGroups(r.Left))
	switch {
	case r.Due == 0 && r.Phase != "":
		fmt.Fprintf(&b, "No client is %s.\n", r.Phase)
	case r.Due == 0:
		fmt.Fprintln(&b, "There are no clients.")
	case !r.Done:
		fmt.Fprintf(&b, "%s due now; the daemon looks at them in the background.\n", isAre(r.Due, "client"))
	case len(r.Left) > 0:
		say(&b, p, notice, count(r.Due, "client")+" looked at. Not all is as desired; see above.")
	default:
		say(&b, p, good, count(r.Due, "client")+" looked at. All is as desired.")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Resync implements api.Resyncer.
func (r remote) Resync(ctx context.Context, id string) (api.Resynced, error) {
	m, err := r.run(ctx, "/api/v1/clients/"+url.PathEscape(id)+"/resync", func(api.Progress) {})
	return lastly(m.Resynced, err)
}

// ResyncAll implements api.Resyncer.
func (r remote) ResyncAll(ctx context.Context, phase dcr.Phase, progress func(api.Progress)) (api.ResyncedAll, error) {
	path := "/api/v1/resync"
	if phase != "" {
		path += "?" + url.Values{"phase": {string(phase)}}.Encode()
	}
	m, err := r.run(ctx, path, progress)
	return lastly(m.ResyncedAll, err)
}
