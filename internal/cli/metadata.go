package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"grantd/internal/display"
)

// resourceMetadata is a protected resource's metadata (RFC 9728, section 2).
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Name                 string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

// wellKnown is where a resource's metadata is served: between its host and its
// path (RFC 9728, section 3.1).
const wellKnown = "/.well-known/oauth-protected-resource"

// metadataURL is the address of the metadata of a resource, false if it can
// have none: a resource is an https URL without a fragment.
func metadataURL(resource string) (string, bool) {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Contains(resource, "#") {
		return "", false
	}
	path := u.EscapedPath()
	if path == "/" { // "any terminating slash following the host is removed"
		path = ""
	}
	at := "https://" + u.Host + wellKnown + path
	if u.RawQuery != "" || u.ForceQuery {
		at += "?" + u.RawQuery
	}
	return at, true
}

func (a *app) metadataCommand() *cobra.Command {
	var o metadataOptions
	cmd := &cobra.Command{
		Use:   "metadata",
		Short: "Print your gateway's protected-resource metadata (RFC 9728)",
		Long: `Print the document by which clients find out that your MCP server's tokens come
from your Auth0 tenant, and which scopes to ask for. Your gateway serves it, to
everybody and without a token, at the address that --url prints, as
application/json, and names it in the WWW-Authenticate header of its 401s:

  WWW-Authenticate: Bearer resource_metadata="ADDRESS"

Written to a file at each change of scopes, it is served by

  nginx   location = /.well-known/oauth-protected-resource/mcp {
            default_type application/json; alias /var/www/mcp.json; }
  Caddy   handle /.well-known/oauth-protected-resource/mcp {
            header Content-Type application/json
            rewrite * /mcp.json
            root * /var/www
            file_server }

The resource is OAUTH_AUDIENCE, byte for byte. Scopes from TOOL_SCOPES_FILE are
those that the running daemon knows; where TOOL_SCOPES_URL names this very
document, scopes live in the gateway already and this command is not needed.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`,
		Example: `  grantd metadata --env-file /etc/grantd/grantd.env > /var/www/mcp.json
  grantd metadata --name Notes --issuer https://login.example.com/
  grantd metadata --url`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return misuse(cmd, err)
			}
			return a.metadata(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.issuer, "issuer", "", "`URL` of the authorization server, for a custom domain; https://$MGMT_DOMAIN/ without it")
	f.StringVar(&o.name, "name", "", "`NAME` of the server, for people")
	f.StringVar(&o.documentation, "documentation", "", "`URL` of a page for developers")
	f.BoolVar(&o.onlyURL, "url", false, "print only the address at which it is to be served")
	return cmd
}

type metadataOptions struct {
	issuer, name, documentation string
	onlyURL                     bool
}

func (o *metadataOptions) check() error {
	if o.issuer != "" {
		u, err := url.Parse(o.issuer)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || strings.ContainsAny(o.issuer, "?#") {
			return fmt.Errorf("--issuer %q: it is https and a host, such as https://login.example.com/", display.Cut(o.issuer, 60))
		}
		o.issuer = "https://" + u.Host + "/" // as Auth0 writes it
	}
	if o.documentation != "" {
		u, err := url.Parse(o.documentation)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return fmt.Errorf("--documentation %q: it is the address of a web page", display.Cut(o.documentation, 60))
		}
	}
	return nil
}

func (a *app) metadata(cmd *cobra.Command, o metadataOptions) error {
	w, err := a.wants(cmd.Context())
	if err != nil {
		return err
	}
	at, ok := metadataURL(w.Audience)
	if o.onlyURL {
		if !ok {
			return usageError{errors.New("OAUTH_AUDIENCE is no https URL without a fragment, and so has no such address (RFC 9728, section 1.2)")}
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), display.Visible(at))
		return err
	}
	if o.issuer == "" && w.Domain == "" {
		return usageError{errors.New("MGMT_DOMAIN is not set; or say with --issuer who issues the tokens")}
	}
	if o.issuer == "" {
		o.issuer = "https://" + w.Domain + "/"
	}
	w.tellMetadata(cmd.ErrOrStderr(), at, ok)
	return printJSON(cmd.OutOrStdout(), resourceMetadata{
		Resource: w.Audience, AuthorizationServers: []string{o.issuer}, ScopesSupported: w.scopes,
		BearerMethods: []string{"header"}, Name: o.name, Documentation: o.documentation,
	})
}

// tellMetadata says where the document goes, and what is odd about it.
func (w wanted) tellMetadata(stderr io.Writer, at string, ok bool) {
	if ok {
		fmt.Fprintf(stderr, "Serve it at %s\n", display.Visible(at))
	} else {
		fmt.Fprintln(stderr, "warning: OAUTH_AUDIENCE is no https URL without a fragment: clients that follow RFC 9728 will not take it for a resource")
	}
	if s := w.warning(); s != "" {
		fmt.Fprintln(stderr, "warning: "+s)
	}
	if at != "" && w.ScopesURL == at {
		fmt.Fprintln(stderr, "warning: TOOL_SCOPES_URL reads this very document: served there, it would keep its scopes for ever")
	}
}
