package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grantd/internal/auth0"
	"grantd/internal/config"
	"grantd/internal/daemon"
	"grantd/internal/dcr"
	"grantd/internal/display"
	"grantd/internal/plan"
	"grantd/internal/setup"
)

const setupToken, webhookSecret = "GRANTD_SETUP_TOKEN", "LOG_WEBHOOK_SECRET"

func (a *app) setupCommand() *cobra.Command {
	p := &preparation{app: a, flags: map[string]*string{}}
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare an Auth0 tenant for grantd, step by step",
		Long: `Prepare an Auth0 tenant: the API, an application for grantd, dynamic client
registration, the resource parameter, connections at domain level, and the log
stream. Each step is shown with why, with what it opens to others and with the
API call it stands for, and done only on y, or with --yes. What is so already is
skipped, so it can be run again at any time, also while a daemon runs.

It asks what it does not know; flags answer before it asks.

The env file: one that does not exist is written, for its owner alone, with your
answers, the application's credentials and a generated webhook secret. One that
exists is read, and what it lacks is added at its end after a y, secrets
included; nothing in it is changed.

` + tokenHelp() + `

An API's list of scopes is never written, since Auth0 takes it as a whole only:
the command that adds what is missing is printed for you to run.

Exit codes: 0 all is so, 1 failed, 2 wrong usage or configuration, 3 something
is left to do: declined, for a person alone, or by --dry-run not done.`,
		Example: `  read -rs GRANTD_SETUP_TOKEN && export GRANTD_SETUP_TOKEN
  grantd setup --env-file grantd.env
  grantd setup --env-file grantd.env --dry-run
  grantd setup --env-file grantd.env --yes --domain acme.eu.auth0.com \
    --audience https://mcp.example.com/mcp --scopes tools:read,tools:call \
    --public-url https://grantd.example.com`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	f := cmd.Flags()
	f.BoolVarP(&p.yes, "yes", "y", false, "do everything without asking")
	f.BoolVar(&p.dryRun, "dry-run", false, "show everything and do nothing")
	for _, q := range questions() {
		p.flags[q.name] = f.String(q.flag, "", q.usage)
	}
	return cmd
}

// tokenHelp says how to come by a token.
func tokenHelp() string {
	lines := []string{`It calls Auth0 with a token of yours, in GRANTD_SETUP_TOKEN, and never with the
daemon's application. To get one: Auth0 dashboard, Applications, APIs, Auth0
Management API, tab API Explorer, copy the token; it expires within a day. Or
with the Auth0 CLI, for the API Explorer's application or one of your own:
  auth0 test token CLIENT_ID --audience https://DOMAIN/api/v2/ --force
sudo drops the variable: sudo --preserve-env=GRANTD_SETUP_TOKEN grantd setup
The scopes it uses:`}
	for _, line := range wrap(strings.Join(setup.AllScopes(), " "), width-2) {
		lines = append(lines, "  "+line)
	}
	return strings.Join(lines, "\n")
}

// preparation is one run of setup.
type preparation struct {
	*app
	yes, dryRun bool
	flags       map[string]*string // by variable
	lines       chan answer        // from standard input; nil until one is asked for

	cmd  *cobra.Command
	talk io.Writer // for questions and progress
	painter

	answers map[string]string // by variable, those of flags and questions
	claims  auth0.Claims
	config  *config.Config
	secret  config.Secret // the webhook's
	notices []config.Notice
	unread  bool // a source of scopes could not be read
}

func (p *preparation) run(cmd *cobra.Command) error {
	if p.yes && p.dryRun {
		return misuse(cmd, errors.New("--yes does everything and --dry-run nothing: one of the two"))
	}
	ctx := cmd.Context()
	p.cmd, p.talk, p.answers = cmd, cmd.OutOrStdout(), map[string]string{}
	if p.json {
		p.talk = cmd.ErrOrStderr()
	}
	p.painter = p.color(p.talk)
	file, keeper, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	tenant, err := auth0.New(auth0.Options{
		Domain: p.config.Domain, BaseURL: p.config.MgmtURL, Token: p.config.SetupToken.Reveal(),
		UserAgent: "grantd-setup/" + buildVersion().Version,
	})
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", setupToken, err)}
	}
	defer tenant.Close()
	if err := p.checkScopes(setup.ReadScopes()); err != nil {
		return err
	}
	scopes, err := p.scopes(ctx)
	if err != nil {
		return err
	}
	state, err := setup.Look(ctx, tenant, p.want(file, scopes), p.secret.Reveal())
	if err != nil {
		return p.explainCall(err)
	}
	d := setup.Doer{Tenant: tenant, File: keeper, Secret: p.secret.Reveal(), ID: "grantd-setup-" + randomHex(8)}
	report := setupReport{Schema: 1, Actions: []setupAction{}, Tenant: p.config.Domain, DryRun: p.dryRun, EnvFile: file.Path}
	failed := p.perform(ctx, d, setup.Plan(state), &report)
	if report.unwritten(file) {
		report.EnvFile = ""
	}
	report.Next = p.next(state, report)
	if err := p.print(report, failed); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return failed
	case report.left():
		return errFound
	}
	return nil
}

// prepare reads the configuration and asks for what is not in it.
func (p *preparation) prepare(ctx context.Context) (setup.File, *envKeeper, error) {
	file := setup.File{Path: p.envFile}
	keeper := &envKeeper{}
	if p.envFile != "" {
		var err error
		if keeper.file, file.New, err = config.OpenEnvFile(p.envFile); err != nil {
			return file, nil, misuse(p.cmd, err)
		}
	}
	var err error
	if p.config, err = p.load(file.New); err != nil {
		return file, nil, err
	}
	for _, n := range p.notices {
		fmt.Fprintln(p.cmd.ErrOrStderr(), display.Visible(n.String()))
	}
	if err := p.checkToken(); err != nil {
		return file, nil, err
	}
	if err := p.answer(ctx, file.New); err != nil {
		return file, nil, err
	}
	if err := p.checkOwner(); err != nil {
		return file, nil, err
	}
	p.secret = p.config.WebhookSecret
	values := map[string]config.Secret{}
	for name, text := range p.answers {
		values[name] = config.NewSecret(text)
	}
	if file.New {
		values = p.config.FromEnvironment() // the answers are among it
	}
	generated := !p.secret.IsSet()
	if generated {
		p.secret = config.NewSecret(randomHex(32))
		values[webhookSecret] = p.secret
	}
	if file.Path == "" {
		if p.config.ClientID == "" || !p.config.WebhookSecret.IsSet() {
			return file, nil, misuse(p.cmd, errors.New("--env-file FILE is needed: there the application's credentials and the webhook secret are kept; one that does not exist is written"))
		}
		return file, keeper, nil
	}
	keeper.values = values
	for _, v := range config.Variables() {
		if value, ok := values[v.Name]; ok {
			line := setup.Line{Name: v.Name, Secret: v.Secret, Generated: generated && v.Name == webhookSecret}
			if !v.Secret {
				line.Value = value.Reveal()
			}
			file.Misses = append(file.Misses, line)
		}
	}
	return file, keeper, nil
}

// load reads the configuration as far as it goes, the answers with it.
func (p *preparation) load(isNew bool) (*config.Config, error) {
	src := p.source()
	if isNew {
		src.EnvFile = ""
	}
	src.Environ = slices.Clone(src.Environ)
	var names []string
	for _, v := range config.Variables() {
		names = append(names, v.Name)
		if text, ok := p.answers[v.Name]; ok {
			src.Environ = append(src.Environ, v.Name+"="+text)
		}
	}
	c, notices, err := config.LoadOnly(src, names...)
	p.notices = notices
	if err != nil {
		return nil, usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	return c, nil
}

// want is what the configuration asks of a tenant.
func (p *preparation) want(file setup.File, scopes []string) setup.Want {
	c := p.config
	w := setup.Want{
		Domain: c.Domain, Audience: c.Audience, Scopes: scopes, Connections: c.Connections, DomainLevel: c.ConnectionLevel == plan.DomainLevel,
		ClientID: c.ClientID, HasSecret: c.ClientSecret.IsSet(), OwnScopes: daemon.ApplicationScopes(), File: file,
	}
	if c.PublicURL != "" {
		w.StreamURL = c.PublicURL + c.WebhookPath
	}
	return w
}

// checkToken reads the person's token as far as it tells about itself.
func (p *preparation) checkToken() error {
	if !p.config.SetupToken.IsSet() {
		return usageError{fmt.Errorf("%s is not set\n%s", setupToken, tokenHelp())}
	}
	claims, err := auth0.ParseClaims(p.config.SetupToken.Reveal())
	if err != nil {
		return usageError{fmt.Errorf("%s is %w\n%s", setupToken, err, tokenHelp())}
	}
	p.claims = claims
	if p.config.Origin(setupToken) == config.FromEnvFile {
		fmt.Fprintf(p.cmd.ErrOrStderr(), "%s is in %s, where the daemon's user can read it: take it out when this is done\n", setupToken, display.Visible(p.envFile))
	}
	if !claims.Expires.IsZero() && !time.Now().Before(claims.Expires) {
		return fmt.Errorf("%s expired at %s\n%s", setupToken, stamp(claims.Expires), tokenHelp())
	}
	return nil
}

// checkOwner keeps the token from another tenant, and the daemon's own out.
func (p *preparation) checkOwner() error {
	if d := p.claims.Domain; d != "" && !strings.EqualFold(d, p.config.Domain) {
		return usageError{fmt.Errorf("%s is a token for %s, and MGMT_DOMAIN is %s; it is not sent there", setupToken, d, p.config.Domain)}
	}
	if id := p.claims.ClientID; id != "" && id == p.config.ClientID {
		return usageError{fmt.Errorf("%s is a token of grantd's own application, which keeps its few scopes: get one of yours\n%s", setupToken, tokenHelp())}
	}
	return nil
}

// checkScopes fails if the token says that it lacks one of the scopes.
func (p *preparation) checkScopes(needed []string) error {
	if p.claims.Scopes == nil {
		return nil // it does not say
	}
	var missing []string
	for _, s := range needed {
		if !slices.Contains(p.claims.Scopes, s) && !slices.Contains(missing, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s lacks %s; nothing was changed\n%s", setupToken, strings.Join(missing, " "), tokenHelp())
}

// explainCall says what to do about a call that failed.
func (p *preparation) explainCall(err error) error {
	e, ok := errors.AsType[*auth0.Error](err)
	if !ok {
		return err
	}
	switch {
	case e.Reason == dcr.Unauthorized:
		return fmt.Errorf("Auth0 does not take %s: it expired, or was cut when it was copied (%w)\n%s", setupToken, err, tokenHelp())
	case e.Reason == dcr.MissingScope:
		return fmt.Errorf("%s lacks %s (%w)\n%s", setupToken, e.Scope, err, tokenHelp())
	case e.Hint() != "":
		return fmt.Errorf("%w\n%s", err, e.Hint())
	}
	return err
}

// envKeeper keeps in the env file what the daemon needs to know.
type envKeeper struct {
	file   *config.EnvFile
	values map[string]config.Secret
}

// Keep implements setup.Keeper.
func (k *envKeeper) Keep() error { return k.file.Add(k.values) }

// CanKeep implements setup.Keeper.
func (k *envKeeper) CanKeep() error {
	if k.file == nil {
		return errors.New("there is no env file")
	}
	return k.file.TakesSecrets()
}

// KeepApplication implements setup.Keeper.
func (k *envKeeper) KeepApplication(id, secret string) error {
	if err := k.CanKeep(); err != nil {
		return err
	}
	return k.file.Add(map[string]config.Secret{"MGMT_CLIENT_ID": config.NewSecret(id), "MGMT_CLIENT_SECRET": config.NewSecret(secret)})
}

// randomHex is n random bytes in hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
