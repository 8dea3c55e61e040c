package cli

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
)

//go:embed action.js
var actionCode string

// actionRuntime is the newest that Auth0 runs Actions with.
const actionRuntime = "node22"

// actionOptions are the flags.
type actionOptions struct {
	scopes              bool
	roleClaim, uidClaim string
}

func (a *app) actionCommand() *cobra.Command {
	var o actionOptions
	cmd := &cobra.Command{
		Use:   "action",
		Short: "Print a Post-Login Action for this configuration",
		Long: `Print the code of an Auth0 Action that adds the configured scopes, and claims if
you want some, to access tokens for your API and to no others.

Clients that register themselves do not need it: Auth0 ignores scopes that an
Action adds for them, and grantd grants them what they may ask for. It is for
your own applications that use the same API, and for the claims. Its comments
say what Auth0 ignores.

Auth0's command line makes an Action of it and deploys it; then add it under
Actions → Triggers → post-login.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
		Example: `  grantd action --env-file /etc/grantd/grantd.env
  grantd action --role-claim https://mcp.example.com/roles --uid-claim https://mcp.example.com/uid
  auth0 actions create --name grantd --trigger post-login --runtime ` + actionRuntime + ` --code "$(grantd action)"
  auth0 actions deploy ACTION_ID`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, c := range []struct{ flag, claim string }{{"role-claim", o.roleClaim}, {"uid-claim", o.uidClaim}} {
				if err := checkClaim(c.claim); err != nil {
					return misuse(cmd, fmt.Errorf("--%s %q: %w", c.flag, display.Cut(c.claim, 60), err))
				}
			}
			if o.roleClaim != "" && o.roleClaim == o.uidClaim {
				return misuse(cmd, fmt.Errorf("--role-claim and --uid-claim are the same"))
			}
			return a.action(cmd, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.scopes, "scopes", true, "add the configured scopes")
	f.StringVar(&o.roleClaim, "role-claim", "", "put the names of the user's roles into this `CLAIM`, such as https://mcp.example.com/roles")
	f.StringVar(&o.uidClaim, "uid-claim", "", "put the user's id into this `CLAIM`")
	return cmd
}

// checkClaim takes a name that Auth0 takes for a custom claim: an address that
// is not Auth0's, or a word that is not reserved.
// https://auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims
func checkClaim(name string) error {
	if name == "" {
		return nil
	}
	reserved := strings.Fields("acr act active amr at_hash ath attest aud auth_time authorization_details azp c_hash client_id cnf cty dest " +
		"entitlements events exp groups gty htm htu iat internalService iss jcard jku jti jwe jwk kid may_act mky nbf nonce object_id org_id " +
		"org_name orig origid permissions roles rph s_hash sandbox scope session_id sid sip_callid sip_cseq_num sip_date sip_from_tag " +
		"sip_via_branch sub sub_jwk toe txn typ uuid vot vtm x5t#S256")
	if u, err := url.Parse(name); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		for _, theirs := range []string{"auth0.com", "webtask.io", "webtask.run"} {
			if host := strings.ToLower(u.Hostname()); host == theirs || strings.HasSuffix(host, "."+theirs) {
				return fmt.Errorf("Auth0 drops claims of %s; take an address of your own", theirs)
			}
		}
		return nil
	}
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`).MatchString(name) || slices.Contains(reserved, name) {
		return fmt.Errorf("Auth0 drops it; take an address of your own, such as https://mcp.example.com/roles")
	}
	return nil
}

func (a *app) action(cmd *cobra.Command, o actionOptions) error {
	w, err := a.wants(cmd.Context())
	if err != nil {
		return err
	}
	code, err := renderAction(w.Audience, w.scopes, w.unknown, o)
	if err != nil {
		return err
	}
	if s := w.warning(); s != "" && o.scopes {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+s)
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), map[string]any{
			"schema": 1, "name": "grantd", "trigger": "post-login", "runtime": actionRuntime, "code": code,
		})
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), code)
	return err
}

// renderAction is the code. A configuration cannot say anything in it that is
// not a value: the values are JSON, which is JavaScript too (ECMA-262, JSON
// superset), and are put in last, in one pass.
//
// It is not a text/template, because a program that has one calls methods by
// names made up at run time, and so the linker leaves none out: a quarter of the
// binary.
func renderAction(audience string, scopes []string, unknown bool, o actionOptions) (string, error) {
	var pairs []string
	for _, v := range []struct {
		name  string
		value any
	}{{"$Audience", audience}, {"$Scopes", scopes}, {"$RoleClaim", o.roleClaim}, {"$UIDClaim", o.uidClaim}} {
		literal, err := json.Marshal(v.value) // escapes what HTML and JavaScript trip over, too
		if err != nil {
			return "", fmt.Errorf("print the action: %w", err)
		}
		pairs = append(pairs, v.name, string(literal))
	}
	code := sections(actionCode, map[string]bool{
		"AddScopes": o.scopes && len(scopes) > 0,
		"Unknown":   o.scopes && unknown,
		"RoleClaim": o.roleClaim != "",
		"UIDClaim":  o.uidClaim != "",
	})
	return strings.NewReplacer(pairs...).Replace(code), nil
}

// sections leaves out the lines from "//if Name" to "//end" whose name is not
// wanted, and these marks themselves. A section holds no other.
func sections(code string, wanted map[string]bool) string {
	var b strings.Builder
	keep := true
	for line := range strings.Lines(code) {
		mark := strings.TrimSpace(line)
		if name, begins := strings.CutPrefix(mark, "//if "); begins {
			keep = wanted[name]
		} else if mark == "//end" {
			keep = true
		} else if keep {
			b.WriteString(line)
		}
	}
	return b.String()
}
