package plan

import "grantd/internal/dcr"

// Observed is what Auth0 holds for one client.
type Observed struct {
	Client      dcr.Client
	Grant       Grant
	Connections []Connection // one for each desired connection, in that order
	API         API
	// Foreign: the grant was there before grantd, and nobody has said yet that
	// its scopes are grantd's to take away.
	Foreign bool
	// Unread: the connections were enabled for the client before, and this is
	// the first look at whether Auth0 kept them. Those that are not enabled were
	// dropped; enabling them again would be dropped again.
	Unread bool
}

// Grant is what is known of the client's user grant for the audience. The
// zero value is "not asked".
type Grant struct {
	Known bool
	Grant *dcr.Grant // nil when there is none
}

// Connection is what is known of one desired connection.
type Connection struct {
	Name       string
	Connection *dcr.Connection // nil when the tenant has none of that name
	Enabled    Enabled
}

// Enabled says whether a connection that is not domain-level is enabled for
// the client by itself.
type Enabled int

// The states of Enabled.
const (
	NotAsked Enabled = iota
	Yes
	No
)

// API is what is known of the audience's resource server. The zero value is
// "may not look": without read:resource_servers its scopes are not checked.
type API struct {
	Known bool
	API   *dcr.API // nil when the tenant has none with that identifier
}
