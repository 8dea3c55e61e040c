package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/display"
	api "grantd/internal/http"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration and where each value comes from",
		Long: `Show the value of every variable and where it comes from: the process
environment, a line of the env file, the file that NAME_FILE names, a systemd
credential, or the default. Of secrets only whether they are set is shown.

While a daemon runs it is asked for its values. Where they differ from those
found here, it says what makes the daemon take them over. Secrets cannot be
compared, only whether they are set; neither are defaults that depend on who
asks, such as the state directory.

All errors of a configuration are reported at once. Nothing is asked of Auth0.

Exit codes: 0 shown; 1 failed; 2 wrong usage, or the configuration has errors; 3
the running daemon has other values.`,
		Example: `  grantd config --env-file /etc/grantd/grantd.env
  grantd config --json | jq .daemon.differs
  grantd config example`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.showConfig(cmd) },
	}
	cmd.AddCommand(configExampleCommand())
	return cmd
}

func configExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print an env file that explains every variable",
		Long: `Print an env file that explains every variable, to be filled in: what is
required stands there without a value, and all else is a comment.

Exit codes: 0 printed, 1 failed, 2 wrong usage.`,
		Example: "  grantd config example > grantd.env",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return config.WriteEnvExample(cmd.OutOrStdout()) },
	}
}

// shownConfig is what --json prints of the configuration.
type shownConfig struct {
	Schema int `json:"schema"`
	// DesiredDigest is empty where a file or a URL has a say in the scopes.
	DesiredDigest string           `json:"desired_digest"`
	Settings      []config.Setting `json:"settings"`
	Notices       []config.Notice  `json:"notices"`
	Daemon        *daemonConfig    `json:"daemon"` // null when none runs
}

// daemonConfig is how the running daemon's configuration compares.
type daemonConfig struct {
	Socket        string       `json:"socket"`
	DesiredDigest string       `json:"desired_digest"`
	Differs       []difference `json:"differs"`
}

// difference is a variable of which the running daemon has another value.
type difference struct {
	Name   string `json:"name"`
	Here   string `json:"here"`
	Daemon string `json:"daemon"`
	Needs  string `json:"needs"` // reload or restart
}

func (a *app) showConfig(cmd *cobra.Command) error {
	c, notices, err := config.Load(a.source())
	if err != nil {
		return usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	shown := shownConfig{Schema: 1, DesiredDigest: daemon.DesiredDigest(c), Settings: c.Redacted(), Notices: notices}
	if shown.Notices == nil {
		shown.Notices = []config.Notice{}
	}
	var asked error
	shown.Daemon, asked = a.compareDaemon(cmd.Context(), shown.Settings)
	out := cmd.OutOrStdout()
	if a.json {
		err = printJSON(out, shown)
	} else {
		err = printConfig(out, a.color(out), shown, asked == nil)
	}
	switch {
	case err != nil:
		return err
	case asked != nil:
		return fmt.Errorf("whether the running daemon has these values is not known: %w", asked)
	case shown.Daemon != nil && len(shown.Daemon.Differs) > 0:
		return errFound
	}
	return nil
}

// compareDaemon asks the running daemon for its values; nil when none runs.
func (a *app) compareDaemon(ctx context.Context, here []config.Setting) (*daemonConfig, error) {
	at, err := a.findDaemon(ctx)
	if err != nil || at.socket == "" {
		return nil, err
	}
	daemonAt := newSocketReader(at.socket)
	defer func() { _ = daemonAt.Close() }()
	var has api.Configuration
	switch err := daemonAt.get(ctx, "/api/v1/config", &has); {
	case errors.Is(err, errJustStopped):
		return nil, nil //nolint:nilnil // no daemon is no error
	case err != nil:
		return nil, err
	}
	return &daemonConfig{Socket: at.socket, DesiredDigest: has.DesiredDigest, Differs: differences(here, has.Settings)}, nil
}

// differences are the variables of which a daemon has another value. It has no
// use for GRANTD_SETUP_TOKEN.
func differences(here []config.Setting, there []api.Setting) []difference {
	all := []difference{}
	byName := map[string]api.Setting{}
	for _, s := range there {
		byName[s.Name] = s
	}
	table := config.Variables()
	for _, s := range here {
		has, ok := byName[s.Name]
		computed := s.Origin == config.FromDefault && has.Origin == string(config.FromDefault)
		if !ok || computed || has.Value == s.Value || s.Name == "GRANTD_SETUP_TOKEN" {
			continue
		}
		needs := "reload"
		if slices.ContainsFunc(table, func(v config.Variable) bool { return v.Name == s.Name && v.Restart }) {
			needs = "restart"
		}
		all = append(all, difference{s.Name, s.Value, has.Value, needs})
	}
	return all
}

func printConfig(w io.Writer, p painter, c shownConfig, asked bool) error {
	var b strings.Builder
	rows := [][]cell{{{"VARIABLE", faint}, {"SOURCE", faint}, {"VALUE", faint}}}
	for _, s := range c.Settings {
		look := plain
		if s.Origin == config.FromDefault {
			look = faint
		}
		rows = append(rows, []cell{{s.Name, plain}, {display.Visible(origin(s)), look}, {display.Visible(s.Value), look}})
	}
	if err := printTable(&b, p, rows); err != nil {
		return err
	}
	for _, n := range c.Notices {
		fmt.Fprintln(&b)
		say(&b, p, notice, display.Visible(n.String()))
	}
	if digest := c.DesiredDigest; digest != "" {
		fmt.Fprintf(&b, "\nDesired state: %s\n", digest)
	} else {
		fmt.Fprint(&b, "\nDesired state: as TOOL_SCOPES_FILE and TOOL_SCOPES_URL tell.\n")
	}
	switch {
	case !asked: // the error says so
	case c.Daemon == nil:
		fmt.Fprintln(&b, "No daemon runs here.")
	default:
		printDifferences(&b, p, *c.Daemon)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// origin says where a value comes from.
func origin(s config.Setting) string {
	if s.Where == "" {
		return string(s.Origin)
	}
	return string(s.Origin) + " " + s.Where
}

func printDifferences(w io.Writer, p painter, d daemonConfig) {
	if d.DesiredDigest != "" {
		fmt.Fprintf(w, "That of the running daemon: %s\n", display.Line(d.DesiredDigest, 100))
	}
	if len(d.Differs) == 0 {
		say(w, p, good, "The running daemon has these values.")
		return
	}
	fmt.Fprintln(w)
	rows := [][]cell{{{"DIFFERS", faint}, {"NEEDS", faint}, {"DAEMON HAS", faint}}}
	restart := false
	for _, x := range d.Differs {
		restart = restart || x.Needs == "restart"
		rows = append(rows, []cell{{x.Name, notice}, {x.Needs, plain}, {dash(display.Line(x.Daemon, 300)), plain}})
	}
	_ = printTable(w, p, rows) // a Builder takes everything
	fmt.Fprintln(w)
	text := "The running daemon has other values. It takes over those of its env file by a reload: systemctl reload grantd, or SIGHUP."
	if restart {
		text += " Those that need a restart take effect with the next start."
	}
	say(w, p, notice, text)
}
