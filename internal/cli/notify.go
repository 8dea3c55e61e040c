package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"grantd/internal/config"
	"grantd/internal/notify"
)

func (a *app) notifyCommand() *cobra.Command {
	var test bool
	cmd := &cobra.Command{
		Use:   "notify --test",
		Short: "Send a line to your chat, to see whether it arrives",
		Long: `Post one line to GRANTD_NOTIFY_URL, as the daemon does when a client is ready
for the first time, blocked or refused, when a hold is set or ends, when the log
stream stops, and when the tenant is nearly full. Nothing else is done, and no
daemon is needed.

Exit codes: 0 it arrived, 1 it did not, 2 wrong usage or configuration, also
when GRANTD_NOTIFY_URL is not set.`,
		Example: "  grantd notify --test --env-file /etc/grantd/grantd.env",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !test {
				return misuse(cmd, errors.New("--test sends a line; the daemon sends all others"))
			}
			return a.notifyTest(cmd)
		},
	}
	cmd.Flags().BoolVar(&test, "test", false, "send a line now")
	return cmd
}

func (a *app) notifyTest(cmd *cobra.Command) error {
	c, _, err := config.LoadOnly(a.source(), "MGMT_DOMAIN", "GRANTD_NOTIFY_URL")
	if err != nil {
		return usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	if !c.NotifyURL.IsSet() {
		return usageError{errors.New("GRANTD_NOTIFY_URL is not set: it is the address of an incoming webhook of Slack or what is compatible with it")}
	}
	from := "grantd"
	if c.Domain != "" {
		from += ", " + c.Domain
	}
	if err := notify.Try(cmd.Context(), c.NotifyURL.Reveal(), from, "this is a test; notifications arrive here."); err != nil {
		return fmt.Errorf("it did not arrive at GRANTD_NOTIFY_URL: %w", err)
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{"schema": 1, "arrived": true})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "Sent, and taken by the other side.")
	return err
}
