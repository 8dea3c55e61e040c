package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"grantd/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole job against a simulated tenant",
		Long: `See the whole job, with no account and no configuration: a simulated Auth0
tenant, and a real grantd that is really killed. Everything shown is checked;
the exit code is 0 only if all of it held.`,
		Example: "  grantd demo\n  grantd demo --keep\n  grantd demo --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the grantd binary: %w", err)
			}
			o := demo.Options{Exe: exe, Out: cmd.OutOrStdout(), Color: bool(a.color(cmd.OutOrStdout())), Keep: keep}
			if a.json {
				o.Out = io.Discard
			}
			report, err := demo.Run(cmd.Context(), o)
			if a.json && (err == nil || errors.Is(err, demo.ErrFailed)) {
				return errors.Join(err, printJSON(cmd.OutOrStdout(), report))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards, to look around")
	return cmd
}
