package setup

import (
	"context"
	"errors"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// Reader is what Look reads of a tenant.
type Reader interface {
	FullAPI(ctx context.Context, identifier string) (auth0.FullAPI, error)
	Client(ctx context.Context, id string) (dcr.Client, error)
	MachineApplications(ctx context.Context, name string) ([]string, error)
	ManagementGrant(ctx context.Context, clientID, audience string) (dcr.Grant, bool, error)
	TenantSettings(ctx context.Context) (dcr.TenantSettings, error)
	Connection(ctx context.Context, name string) (dcr.Connection, error)
	Webhooks(ctx context.Context) ([]auth0.Webhook, error)
}

// Writer is what actions change in a tenant.
type Writer interface {
	CreateAPI(ctx context.Context, correlationID string, a auth0.NewAPI) error
	AllowOfflineAccess(ctx context.Context, correlationID, apiID string) error
	CreateApplication(ctx context.Context, correlationID string, a auth0.NewApplication) (id, secret string, err error)
	CreateManagementGrant(ctx context.Context, correlationID string, g auth0.NewManagementGrant) error
	WidenGrant(ctx context.Context, correlationID, id string, scopes []string) error
	PatchSettings(ctx context.Context, correlationID string, p auth0.SettingsPatch) error
	PromoteConnection(ctx context.Context, correlationID, id string) error
	CreateWebhook(ctx context.Context, correlationID string, b auth0.WebhookBody) error
	UpdateWebhook(ctx context.Context, correlationID string, w auth0.Webhook, b auth0.WebhookBody) error
}

// Keeper keeps what the daemon needs to know.
type Keeper interface {
	// Keep writes the answers and what was generated into the env file.
	Keep() error
	// CanKeep fails where KeepApplication would, as far as that can be told
	// before there is anything to keep.
	CanKeep() error
	// KeepApplication adds the application's credentials.
	KeepApplication(id, secret string) error
}

// Want is what is to be so.
type Want struct {
	Domain      string   // the tenant's
	Audience    string   // OAUTH_AUDIENCE
	Scopes      []string // that the API shall define
	Connections []string // by name
	DomainLevel bool     // connections shall be domain-level, whether clients need it or not
	StreamURL   string   // where the log stream delivers to; empty: there is no public address yet
	ClientID    string   // of grantd's own application; empty: it is to be made
	HasSecret   bool     // its secret is configured
	OwnScopes   []string // Management API scopes that it needs
	File        File
}

// Management is the identifier of the tenant's Management API.
func (w Want) Management() string { return "https://" + w.Domain + "/api/v2/" }

// File is the env file as it is.
type File struct {
	Path   string // empty: there is none, and none is to be written
	New    bool   // it does not exist
	Misses []Line // what is to be written into it; of a new one, all that is known
}

// Line is a line of an env file.
type Line struct {
	Name, Value string
	Secret      bool // Value is not to be shown
	Generated   bool // by setup; else it was given
}

// State is what there is, and what is wanted.
type State struct {
	Want
	API         *auth0.FullAPI // nil: there is none
	App         *dcr.Client    // grantd's own; nil: there is none of that id
	Namesakes   []string       // applications called as a new one would be; looked for where one is to be made
	AppGrant    *dcr.Grant     // of it on the Management API; nil: there is none
	Settings    dcr.TenantSettings
	Connections map[string]*dcr.Connection // those wanted; nil: there is none of that name
	Webhooks    []Webhook
}

// Webhook is a log stream of type http.
type Webhook struct {
	auth0.Webhook
	Sends bool // what it sends is the configured secret
}

// Look reads the tenant. secret is the webhook's.
func Look(ctx context.Context, t Reader, w Want, secret string) (State, error) {
	s := State{Want: w, Connections: map[string]*dcr.Connection{}}
	var err error
	if s.Settings, err = t.TenantSettings(ctx); err != nil {
		return State{}, err
	}
	if s.API, err = found(t.FullAPI(ctx, w.Audience)); err != nil {
		return State{}, err
	}
	if w.ClientID == "" {
		s.Namesakes, err = t.MachineApplications(ctx, applicationName)
	} else {
		s.App, err = found(t.Client(ctx, w.ClientID))
	}
	if err != nil {
		return State{}, err
	}
	if s.App != nil {
		g, ok, err := t.ManagementGrant(ctx, w.ClientID, w.Management())
		if err != nil {
			return State{}, err
		}
		if ok {
			s.AppGrant = &g
		}
	}
	for _, name := range w.Connections {
		if s.Connections[name], err = found(t.Connection(ctx, name)); err != nil {
			return State{}, err
		}
	}
	hooks, err := t.Webhooks(ctx)
	if err != nil {
		return State{}, err
	}
	for _, h := range hooks {
		s.Webhooks = append(s.Webhooks, Webhook{h, h.Sends(secret)})
	}
	return s, nil
}

// found makes nil of what does not exist.
func found[T any](v T, err error) (*T, error) {
	switch {
	case errors.Is(err, auth0.ErrNotFound):
		return nil, nil //nolint:nilnil // that there is none is the answer
	case err != nil:
		return nil, err
	}
	return &v, nil
}

// ReadScopes are the Management API scopes that Look needs.
func ReadScopes() []string {
	return []string{
		"read:tenant_settings", "read:resource_servers", "read:clients", "read:client_grants", "read:connections", "read:log_streams",
	}
}

// AllScopes are the Management API scopes that looking and every action need.
func AllScopes() []string {
	return append(ReadScopes(), "update:tenant_settings", "create:resource_servers", "update:resource_servers", "create:clients",
		"create:client_grants", "update:client_grants", "update:connections", "create:log_streams", "update:log_streams")
}
