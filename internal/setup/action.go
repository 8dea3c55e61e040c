package setup

import "context"

// Kind names a kind of action.
type Kind string

// The kinds of action, in their order.
const (
	EnvFile       Kind = "env_file"
	API           Kind = "api"
	OfflineAccess Kind = "api_offline_access"
	Application   Kind = "application"
	OwnGrant      Kind = "application_grant"
	Registration  Kind = "registration"
	Profile       Kind = "resource_parameter_profile"
	DomainLevel   Kind = "connection_domain_level" // subject: the connection
	Stream        Kind = "log_stream"

	// What only a person can do.
	APIScopes  Kind = "api_scopes"
	APISigning Kind = "api_signing_alg"
	APIPolicy  Kind = "api_denies_users"
	Credential Kind = "application_credentials"
	// Their subject is the connection.
	Connection    Kind = "connection_missing"
	ConnectionOff Kind = "connection_inactive"
)

// Status is how an action stands.
type Status string

// The statuses.
const (
	Todo   Status = "todo"
	Is     Status = "is_so"  // it is so already
	Person Status = "person" // only a person can do it
)

// Call is a Management API call as it is sent, but for secrets and for ids that
// are not known yet, in whose place stands what they are, in brackets.
type Call struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with /api/v2
	Body   any    `json:"body,omitempty"`
}

// Action is one thing that is to be so in the tenant, or in the env file.
type Action struct {
	Kind    Kind   `json:"kind"`
	Subject string `json:"subject,omitempty"`
	Status  Status `json:"status"`
	Title   string `json:"title"`           // what it is; once Status is Is, what is so
	Why     string `json:"why,omitempty"`   // in a sentence or two
	Opens   string `json:"opens,omitempty"` // what it opens to others; empty is nothing
	Calls   []Call `json:"calls,omitempty"`
	Writes  string `json:"writes,omitempty"` // what is written on this machine; no secrets

	// Dashboard and Command are ways for a person.
	Dashboard string `json:"dashboard,omitempty"`
	Command   string `json:"command,omitempty"` // of the Auth0 CLI, to paste into a shell

	// Scopes are the Management API scopes that the person's token needs for it.
	Scopes []string `json:"scopes,omitempty"`
	// Needs is an action without which this one cannot be done; empty is none.
	Needs Kind `json:"needs,omitempty"`

	do func(context.Context, Doer) error
}

// Doer is what carries out actions.
type Doer struct {
	Tenant Writer
	File   Keeper
	Secret string // the webhook's
	ID     string // the correlation id of all its writes
}

// Do carries out one action that is to be done.
func (d Doer) Do(ctx context.Context, a Action) error {
	if a.Status != Todo || a.do == nil {
		return nil
	}
	return a.do(ctx, d)
}
