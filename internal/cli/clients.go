package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/policy"
)

func (a *app) clientsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "Show what the ledger knows of clients, and look at them again",
		Long: `Show what the ledger knows of clients: through the daemon while one runs, else
from its file. list, show and forget ask nothing of Auth0; resync does.

  ready     a user can log in through it
  pending   work is due, or is tried again by itself
  blocked   a person must act; "grantd clients show" says how
  refused   not on the allow-list, or not to be touched at all
  gone      deleted in Auth0`,
		Example: `  grantd clients list
  grantd clients show tpc_8SXWY6j3afl2CP5ntwEOpM
  grantd clients resync tpc_8SXWY6j3afl2CP5ntwEOpM`,
		RunE: help,
	}
	cmd.AddCommand(a.clientsForgetCommand(), a.clientsListCommand(), a.clientsResyncCommand(), a.clientsShowCommand())
	return cmd
}

// phaseNames are the phases as a person writes them.
func phaseNames() []string {
	names := make([]string, len(dcr.Phases()))
	for i, p := range dcr.Phases() {
		names[i] = string(p)
	}
	return names
}

// otherPreset stands for clients whose callbacks are of no preset.
const otherPreset = "other"

// presetNames are the products that a list can be of.
func presetNames() []string { return append(policy.Presets(), otherPreset) }

// listFlags are the flags of a list of clients, as given.
type listFlags struct {
	phases, presets              []string
	newerThan, olderThan, unused string
	sort, after                  string
	reverse, watch               bool
	limit                        int
}

func (a *app) clientsListCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List clients and where they stand",
		Long: `List clients and where they stand, by client id or as --sort says. Filters that
are given together all have to fit. A client's age counts from its registration,
or from when it was first seen where nobody knows when it registered; one that
was never used counts as unused since then. --unused-for leaves out clients that
are refused or gone, unless --phase names them.

--watch goes on until it is interrupted: on a terminal the list is drawn anew
every 2 seconds, or less often where that would take more than a tenth of the
time, as with --sort and very many clients; elsewhere each change of a client is
a line, with --json an object. It needs a running daemon.

With --json, next is where the list goes on with --after; it is empty at the end
and with --sort.

Exit codes: 0 listed, also when there is none; 1 failed; 2 wrong usage.`,
		Example: `  grantd clients list
  grantd clients list --phase blocked,pending
  grantd clients list --preset other --newer-than 24h
  grantd clients list --unused-for 30d --sort used
  grantd clients list --sort -registered --limit 10
  grantd clients list --watch
  grantd clients list --limit 0 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.selection(time.Now())
			if err != nil {
				return misuse(cmd, err)
			}
			if f.watch {
				return a.watchClients(cmd, s)
			}
			return a.listClients(cmd, s)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *listFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.phases, "phase", nil, "only clients in this `PHASE`, or in one of several: "+strings.Join(phaseNames(), ", "))
	flags.StringSliceVar(&f.presets, "preset", nil, "only clients of this `NAME`, by their callbacks: "+strings.Join(presetNames(), ", "))
	flags.StringVar(&f.newerThan, "newer-than", "", "only clients of the last `DURATION`, such as 24h or 7d")
	flags.StringVar(&f.olderThan, "older-than", "", "only clients that are older than this `DURATION`")
	flags.StringVar(&f.unused, "unused-for", "", "only clients that nobody used for this `DURATION`")
	flags.StringVar(&f.sort, "sort", "", "order by this `KEY`, with - before it the other way round: "+strings.Join(sortNames(), ", "))
	flags.BoolVar(&f.reverse, "reverse", false, "the other way round")
	flags.BoolVar(&f.watch, "watch", false, "go on and show what changes, until interrupted")
	flags.IntVar(&f.limit, "limit", 50, "at most `N` clients; 0 is all of them")
	flags.StringVar(&f.after, "after", "", "go on after this `CLIENT_ID`, in the order of ids")
	completeFlag(cmd, "phase", phaseNames())
	completeFlag(cmd, "preset", presetNames())
	completeFlag(cmd, "sort", sortNames())
}

// selection is what the flags select, seen from a moment.
func (f *listFlags) selection(now time.Time) (s selection, err error) {
	s = selection{now: now, limit: f.limit, reverse: f.reverse, after: f.after}
	for _, p := range f.phases {
		if !slices.Contains(phaseNames(), p) {
			return s, fmt.Errorf("--phase %q: there are %s", display.Cut(p, 40), strings.Join(phaseNames(), ", "))
		}
		s.phases = append(s.phases, dcr.Phase(p))
	}
	for _, p := range f.presets {
		if !slices.Contains(presetNames(), p) {
			return s, fmt.Errorf("--preset %q: there are %s", display.Cut(p, 40), strings.Join(presetNames(), ", "))
		}
	}
	if s.presets = f.presets; len(s.presets) > 0 {
		s.known = knownPresets()
	}
	for _, age := range []struct {
		flag, text string
		into       *time.Duration
	}{{"--newer-than", f.newerThan, &s.newer}, {"--older-than", f.olderThan, &s.older}, {"--unused-for", f.unused, &s.unused}} {
		if age.text == "" {
			continue
		}
		if *age.into, err = parseLength(age.flag, age.text); err != nil {
			return s, err
		}
	}
	if s.unused > 0 && len(s.phases) == 0 {
		// Of the others nobody expects that they are used. Whoever deletes what
		// is listed must not meet an application of their own.
		s.phases = []dcr.Phase{dcr.Ready, dcr.Pending, dcr.Blocked}
	}
	if f.limit < 0 {
		return s, fmt.Errorf("--limit %d: use 0 for all of them", f.limit)
	}
	key, backwards := strings.CutPrefix(f.sort, "-")
	switch {
	case f.sort == "" && f.reverse:
		s.by, s.sorted = orders()["client"], true
	case f.sort != "":
		if s.by, s.sorted = orders()[key]; !s.sorted {
			return s, fmt.Errorf("--sort %q: there are %s", display.Cut(f.sort, 40), strings.Join(sortNames(), ", "))
		}
	}
	s.reverse = s.reverse != backwards
	switch {
	case s.after != "" && !dcr.ValidClientID(s.after):
		return s, fmt.Errorf("--after %q: a client id", display.Cut(s.after, 40))
	case s.after != "" && (s.sorted || f.watch):
		return s, errors.New("--after goes on in the order of ids: not with --sort, --reverse or --watch")
	}
	return s, nil
}
