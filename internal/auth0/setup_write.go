package auth0

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/auth0/go-auth0/v3/management"

	"grantd/internal/dcr"
	"grantd/internal/display"
)

// NewAPI is the body of POST /resource-servers.
// https://auth0.com/docs/api/management/v2/resource-servers/post-resource-servers
type NewAPI struct {
	Name               string     `json:"name"`
	Identifier         string     `json:"identifier"`
	SigningAlg         string     `json:"signing_alg"`
	AllowOfflineAccess bool       `json:"allow_offline_access"`
	Scopes             []APIScope `json:"scopes"`
}

// CreateAPI creates an API. One with that identifier is ErrConflict.
func (c *Client) CreateAPI(ctx context.Context, correlationID string, a NewAPI) error {
	_, err := c.send(ctx, opCreateAPI, http.MethodPost, "/resource-servers", correlationID, a)
	return err
}

// OfflineAccess is the body of a PATCH of an API that lets its clients have
// refresh tokens. Nothing else is sent: what is sent of scopes is replaced.
type OfflineAccess struct {
	AllowOfflineAccess bool `json:"allow_offline_access"`
}

// AllowOfflineAccess lets an API's clients have refresh tokens.
func (c *Client) AllowOfflineAccess(ctx context.Context, correlationID, apiID string) error {
	if !validID(apiID) {
		return invalid(opUpdateAPI, "API id")
	}
	_, err := c.send(ctx, opUpdateAPI, http.MethodPatch, "/resource-servers/"+apiID, correlationID, OfflineAccess{true})
	return err
}

// NewApplication is the body of POST /clients.
// https://auth0.com/docs/api/management/v2/clients/post-clients
type NewApplication struct {
	Name                    string   `json:"name"`
	Description             string   `json:"description,omitempty"`
	AppType                 string   `json:"app_type"`
	FirstParty              bool     `json:"is_first_party"`
	OIDCConformant          bool     `json:"oidc_conformant"`
	GrantTypes              []string `json:"grant_types"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
}

// CreateApplication creates an application and returns its id and its secret.
// The secret is to be kept at once: it is not shown again.
func (c *Client) CreateApplication(ctx context.Context, correlationID string, a NewApplication) (id, secret string, err error) {
	body, err := c.send(ctx, opCreateClient, http.MethodPost, "/clients", correlationID, a)
	if err != nil {
		return "", "", err
	}
	var w struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if unmarshal(body, &w, "application") != nil || !dcr.ValidClientID(w.ID) {
		return "", "", badResponse(opCreateClient, errNoID)
	}
	if w.Secret == "" {
		return w.ID, "", badResponse(opCreateClient, fmt.Errorf("the answer has no client secret; application %s exists now", w.ID))
	}
	return w.ID, w.Secret, nil
}

// NewManagementGrant is the body of POST /client-grants for an application
// itself, without a person who logs in.
type NewManagementGrant struct {
	ClientID    string   `json:"client_id"`
	Audience    string   `json:"audience"`
	SubjectType string   `json:"subject_type"`
	Scope       []string `json:"scope"`
}

// CreateManagementGrant creates the grant by which an application itself reaches
// an API. One that exists already is ErrConflict.
func (c *Client) CreateManagementGrant(ctx context.Context, correlationID string, g NewManagementGrant) error {
	_, err := c.send(ctx, opCreateGrant, http.MethodPost, "/client-grants", correlationID, g)
	return err
}

// WidenGrant sets the scopes of a grant. scopes must hold all that it has.
func (c *Client) WidenGrant(ctx context.Context, correlationID, id string, scopes []string) error {
	if !validID(id) {
		return invalid(opUpdateGrant, "grant id")
	}
	var req management.UpdateClientGrantRequestContent
	req.SetScope(list(scopes))
	_, err := c.grants.Update(c.with(ctx, opUpdateGrant), id, &req, correlation(correlationID))
	return result(opUpdateGrant, err)
}

// SettingsPatch is the body of PATCH /tenants/settings. What is left out stays.
type SettingsPatch struct {
	Flags           map[string]bool `json:"flags,omitempty"`
	ResourceProfile string          `json:"resource_parameter_profile,omitempty"`
}

// RegistrationFlag is the flag that switches dynamic client registration on.
const RegistrationFlag = "enable_dynamic_client_registration"

// PatchSettings changes the tenant's settings.
func (c *Client) PatchSettings(ctx context.Context, correlationID string, p SettingsPatch) error {
	_, err := c.send(ctx, opUpdateSettings, http.MethodPatch, "/tenants/settings", correlationID, p)
	return err
}

// WebhookBody is the body of POST /log-streams and of a PATCH of one.
// https://auth0.com/docs/api/management/v2/log-streams/post-log-streams
type WebhookBody struct {
	Name    string         `json:"name,omitempty"`
	Type    string         `json:"type,omitempty"`   // of a new one: it cannot be changed
	Status  string         `json:"status,omitempty"` // of one that was there
	Sink    *WebhookSink   `json:"sink,omitempty"`
	Filters []StreamFilter `json:"filters,omitempty"`
}

// WebhookSink is where a webhook delivers to. A PATCH replaces all of it.
type WebhookSink struct {
	Authorization string          `json:"httpAuthorization"`
	ContentFormat string          `json:"httpContentFormat"`
	ContentType   string          `json:"httpContentType"`
	Endpoint      string          `json:"httpEndpoint"`
	Headers       json.RawMessage `json:"httpCustomHeaders,omitempty"` // as they were
}

// StreamFilter lets a category of log entries through.
type StreamFilter struct {
	Type string `json:"type"` // category
	Name string `json:"name"`
}

// CreateWebhook creates a log stream of type http.
func (c *Client) CreateWebhook(ctx context.Context, correlationID string, b WebhookBody) error {
	_, err := c.send(b.hidden(ctx), opCreateStream, http.MethodPost, "/log-streams", correlationID, b)
	return err
}

// UpdateWebhook changes a log stream of type http. Custom headers that it has
// are sent again with a new sink, which replaces them.
func (c *Client) UpdateWebhook(ctx context.Context, correlationID string, w Webhook, b WebhookBody) error {
	if !validID(w.ID) {
		return invalid(opUpdateStream, "log stream id")
	}
	if b.Sink != nil && w.HasHeaders() {
		sink := *b.Sink
		sink.Headers = w.sink.Headers
		b.Sink = &sink
	}
	_, err := c.send(b.hidden(ctx), opUpdateStream, http.MethodPatch, "/log-streams/"+w.ID, correlationID, b)
	return err
}

// secretKey is the context key of a secret that goes out with a request.
type secretKey struct{}

// hidden keeps the secret that is sent out of what Auth0 says to it.
func (b WebhookBody) hidden(ctx context.Context) context.Context {
	if b.Sink == nil {
		return ctx
	}
	return context.WithValue(ctx, secretKey{}, &mask{text: b.Sink.Authorization, as: "[secret]"})
}

func secretOf(ctx context.Context) *mask {
	m, _ := ctx.Value(secretKey{}).(*mask)
	return m
}

// send makes a write and returns the answer's body.
func (c *Client) send(ctx context.Context, op, method, path, correlationID string, body any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, result(op, err)
	}
	req, err := http.NewRequestWithContext(c.with(ctx, op), method, c.base+apiPath+path, bytes.NewReader(raw))
	if err != nil {
		return nil, result(op, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if id := display.Line(correlationID, maxCorrelationID); id != "" {
		req.Header.Set(correlationHeader, id)
	}
	resp, err := c.transport.Do(req)
	if err != nil {
		return nil, result(op, err)
	}
	answer, err := io.ReadAll(resp.Body)
	return answer, result(op, err)
}
