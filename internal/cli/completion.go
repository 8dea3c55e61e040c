package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/dcr"
	"grantd/internal/display"
	api "grantd/internal/http"
)

// maxCompletions is how many client ids the shell is offered.
const maxCompletions = 500

// completeFlag offers the values of a flag, also one after another behind
// commas.
func completeFlag(cmd *cobra.Command, flag string, values []string) {
	// It fails only for a flag that is not defined.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		before := ""
		if f := cmd.Flags().Lookup(flag); f != nil && f.Value.Type() == "stringSlice" {
			before = toComplete[:strings.LastIndexByte(toComplete, ',')+1]
		}
		given := strings.Split(before, ",")
		var all []cobra.Completion
		for _, v := range values {
			if !slices.Contains(given, v) {
				all = append(all, before+v)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
}

// completeClient offers the ledger's clients to the shell, for a command that
// takes one.
func (a *app) completeClient(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeClients(cmd, args, toComplete)
}

// completeClients offers those of the ledger's clients that begin so and were
// not given already.
func (a *app) completeClients(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ledger, err := a.openLedger(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer ledger.Close()
	found, err := clientsFrom(cmd.Context(), ledger, toComplete)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []cobra.Completion
	for _, c := range found {
		if !slices.Contains(args, c.ClientID) {
			ids = append(ids, cobra.CompletionWithDesc(c.ClientID, display.Visible(string(c.Phase)+" "+display.Cut(c.Name, 40))))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// clientsFrom are the first clients whose ids begin with prefix: the list is in
// the order of ids, so that it need not be read from its start.
func clientsFrom(ctx context.Context, ledger ledgerReader, prefix string) (found []api.Client, err error) {
	if prefix != "" {
		if !dcr.ValidClientID(prefix) {
			return nil, nil
		}
		if c, err := ledger.Client(ctx, prefix); err == nil { // the list goes on after it
			found = append(found, c)
		}
	}
	page, err := ledger.Clients(ctx, "", maxCompletions, prefix)
	if err != nil {
		return nil, err
	}
	for _, c := range page.Clients {
		if strings.HasPrefix(c.ClientID, prefix) {
			found = append(found, c)
		}
	}
	return found, nil
}

// explainCompletion says of cobra's own commands how they are used.
func explainCompletion(root *cobra.Command) {
	examples := map[string]string{
		"completion": "  source <(grantd completion bash)\n  grantd completion zsh > \"${fpath[1]}/_grantd\"\n  grantd completion fish > ~/.config/fish/completions/grantd.fish",
		"bash":       "  source <(grantd completion bash)\n  grantd completion bash | sudo tee /etc/bash_completion.d/grantd",
		"zsh":        "  grantd completion zsh > \"${fpath[1]}/_grantd\"",
		"fish":       "  grantd completion fish | source\n  grantd completion fish > ~/.config/fish/completions/grantd.fish",
		"powershell": "  grantd completion powershell | Out-String | Invoke-Expression",
	}
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Example = examples["completion"]
		for _, shell := range cmd.Commands() {
			shell.Example = examples[shell.Name()]
		}
	}
}
