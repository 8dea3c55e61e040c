package tenantsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Document is a Client ID Metadata Document, which the tenant is given by
// SetDocument instead of fetching it.
type Document struct {
	ClientName              string   `json:"client_name"`
	RedirectURIs            []string `json:"redirect_uris"`
	LogoURI                 string   `json:"logo_uri,omitempty"`
	GrantTypes              []string `json:"grant_types,omitempty"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
}

// SetDocument publishes a metadata document at an https URL.
func (t *Tenant) SetDocument(documentURL string, d Document) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.documents[documentURL] = d
}

type cimdAnswer struct {
	ClientID   string         `json:"client_id,omitempty"`
	Mapped     map[string]any `json:"mapped_fields"`
	Validation struct {
		Valid      bool     `json:"valid"`
		Violations []string `json:"violations"`
		Warnings   []string `json:"warnings"`
	} `json:"validation"`
}

// maxDocumentURL is the longest URL of a document, in bytes.
const maxDocumentURL = 120

// readDocument checks the request and maps the document to a client.
func (t *Tenant) readDocument(p props) (*Client, cimdAnswer, *Error) {
	var answer cimdAnswer
	if fail := p.only(func(name string) (shape, bool) { return isString, name == "external_client_id" }); fail != nil {
		return nil, answer, fail
	}
	if fail := p.require("external_client_id"); fail != nil {
		return nil, answer, fail
	}
	raw := p.str("external_client_id")
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		len(raw) > maxDocumentURL || u.Hostname() == "localhost" {
		return nil, answer, badPayload("Invalid client id metadata document URL", "external_client_id")
	}
	d, ok := t.documents[raw]
	if !ok {
		return nil, answer, &Error{http.StatusBadRequest, "invalid_request", "The client id metadata document could not be fetched"}
	}
	c := &Client{
		Name: d.ClientName, Callbacks: d.RedirectURIs, ExternalClientID: raw, SecurityMode: Strict, AppType: "native",
		TokenEndpointAuthMethod: d.TokenEndpointAuthMethod,
	}
	if c.TokenEndpointAuthMethod == "" {
		c.TokenEndpointAuthMethod = "none"
	}
	answer.Validation.Violations, answer.Validation.Warnings = []string{}, []string{}
	for _, g := range d.GrantTypes {
		if g == "authorization_code" || g == "refresh_token" {
			c.GrantTypes = append(c.GrantTypes, g)
			continue
		}
		answer.Validation.Warnings = append(answer.Validation.Warnings, "Ignoring unsupported grant type: "+g)
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code"}
	}
	if len(d.RedirectURIs) == 0 {
		answer.Validation.Violations = append(answer.Validation.Violations, "redirect_uris is required")
	}
	answer.Validation.Valid = len(answer.Validation.Violations) == 0
	answer.Mapped = map[string]any{
		"external_client_id": raw, "name": c.Name, "callbacks": c.Callbacks, "grant_types": c.GrantTypes,
		"app_type": c.AppType, "token_endpoint_auth_method": c.TokenEndpointAuthMethod,
	}
	if d.LogoURI != "" {
		answer.Mapped["logo_uri"] = d.LogoURI
		logo, _ := json.Marshal(d.LogoURI) // a string always marshals
		c.Extra = map[string]json.RawMessage{"logo_uri": logo}
	}
	return c, answer, nil
}

func (t *Tenant) previewCIMD(r *request) (response, *Error) {
	_, answer, fail := t.readDocument(r.props)
	if fail != nil {
		return response{}, fail
	}
	return jsonResponse(http.StatusOK, answer), nil
}

// registerCIMD makes the client of a document, or refreshes what the document
// governs of the one that is there.
func (t *Tenant) registerCIMD(r *request) (response, *Error) {
	c, answer, fail := t.readDocument(r.props)
	if fail != nil {
		return response{}, fail
	}
	if !answer.Validation.Valid {
		return response{}, &Error{http.StatusBadRequest, "invalid_request", strings.Join(answer.Validation.Violations, "; ")}
	}
	for old := range t.clients.all() {
		if old.ExternalClientID == c.ExternalClientID {
			old.Name, old.Callbacks, old.TokenEndpointAuthMethod = c.Name, slices.Clone(c.Callbacks), c.TokenEndpointAuthMethod
			answer.ClientID = old.ID
			return jsonResponse(http.StatusOK, answer), nil
		}
	}
	if full(t.plan.entities().clients, t.countClients()) {
		return response{}, tooManyEntities()
	}
	answer.ClientID = t.insertClient(c).ID
	return jsonResponse(http.StatusCreated, answer), nil
}
