package reconcile

import (
	"context"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// Ledger is what the loop needs of the ledger, which is also its queue.
type Ledger interface {
	// Due returns the clients due in the class, sources taking turns, and when
	// the next one will be; a zero time means never.
	Due(ctx context.Context, class dcr.Class, now time.Time, limit int) (due []store.DueClient, next time.Time, err error)
	// Client returns one record.
	Client(ctx context.Context, id string) (dcr.Record, error)
	// Save stores an outcome. It reports false when the record was made due
	// again meanwhile, and so stays due.
	Save(ctx context.Context, o dcr.Outcome) (settled bool, err error)
	// Mend makes a client due anew whose record cannot be read, or is not
	// there, and reports whether that was so.
	Mend(ctx context.Context, id string) (mended bool, err error)
}

// Observer reads one client. Its methods cost one Management API call each.
type Observer interface {
	Client(ctx context.Context, id string) (dcr.Client, error)
	UserGrant(ctx context.Context, clientID, audience string) (dcr.Grant, bool, error)
	ClientConnections(ctx context.Context, clientID string) ([]dcr.Connection, error)
}

// Catalog reads the facts that all clients share.
type Catalog interface {
	Connection(ctx context.Context, name string) (dcr.Connection, error)
	API(ctx context.Context, identifier string) (dcr.API, error)
}

// Connector writes to connections. Each write carries a correlation id, by
// which it is known again when it comes back as a log entry.
type Connector interface {
	EnableConnection(ctx context.Context, correlationID, connectionID string, clientIDs []string) error
	PromoteConnection(ctx context.Context, correlationID, connectionID string) error
}

// Writer writes to one client and its grant.
type Writer interface {
	PatchClient(ctx context.Context, correlationID, id string, p dcr.ClientPatch) (dcr.Client, error)
	CreateGrant(ctx context.Context, correlationID string, g dcr.Grant) (dcr.Grant, error)
	SetGrantScopes(ctx context.Context, correlationID string, g dcr.Grant, scopes []string) (dcr.Grant, error)
}

// Tenant is the Auth0 tenant.
type Tenant interface {
	Observer
	Catalog
	Connector
	Writer
}
