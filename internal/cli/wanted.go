package cli

import (
	"context"
	"errors"
	"fmt"

	"grantd/internal/config"
	api "grantd/internal/http"
)

// wanted is what clients shall get, for what is printed for others to use.
type wanted struct {
	*config.Config          // the few variables that say it
	scopes         []string // sorted, each once
	// unknown: there are sources of scopes that only a daemon reads, and none
	// could be asked.
	unknown bool
}

// wants reads the audience and the scopes. Where they come from a file or a URL
// too, the running daemon says what they are.
func (a *app) wants(ctx context.Context) (wanted, error) {
	c, _, err := config.LoadOnly(a.source(), "MGMT_DOMAIN", "OAUTH_AUDIENCE", "TOOL_SCOPES", "REQUIRED_SCOPES", "TOOL_SCOPES_FILE", "TOOL_SCOPES_URL")
	if err != nil {
		return wanted{}, usageError{fmt.Errorf("the configuration has errors:\n%w", err)}
	}
	if c.Audience == "" {
		return wanted{}, usageError{errors.New("OAUTH_AUDIENCE is not set: it is the API's Identifier as Auth0 shows it")}
	}
	w := wanted{Config: c, scopes: c.Scopes()}
	if c.ScopesFile == "" && c.ScopesURL == "" {
		return w, nil
	}
	w.unknown = true
	at, err := a.findDaemon(ctx)
	if err != nil || at.socket == "" {
		return w, nil //nolint:nilerr // it can be done without, and is said to be
	}
	reader := newSocketReader(at.socket)
	defer func() { _ = reader.Close() }()
	var running api.Configuration
	if err := reader.get(ctx, "/api/v1/config", &running); err != nil || !running.ScopesKnown {
		return w, nil //nolint:nilerr // the same
	}
	w.scopes, w.unknown = running.Scopes, false
	return w, nil
}

// warning says what the scopes lack; empty: nothing.
func (w wanted) warning() string {
	if !w.unknown {
		return ""
	}
	return "the scopes of TOOL_SCOPES_FILE and TOOL_SCOPES_URL are left out: the daemon reads them, and none could be asked"
}
