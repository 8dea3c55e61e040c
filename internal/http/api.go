package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	nethttp "net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// Ledger is what the API reads of the ledger.
type Ledger interface {
	// Client returns one record, or store.ErrNotFound.
	Client(ctx context.Context, id string) (dcr.Record, error)
	// Clients returns a page of records and the cursor of the next. A cursor
	// it does not know is store.ErrCursor.
	Clients(context.Context, store.Query) ([]dcr.Record, string, error)
	// Journal does the same for the journal, newest first.
	Journal(context.Context, store.JournalQuery) ([]dcr.JournalEntry, string, error)
}

// APIOptions of the JSON API. All but Holds, Heartbeat and Snapshot
// are required.
type APIOptions struct {
	Ledger Ledger
	Events *Broker
	Logger *slog.Logger
	// Config returns the configuration in force. Schema is filled in.
	Config func(context.Context) (Configuration, error)
	// Holds returns those in force; nil: there are none.
	Holds func(context.Context) ([]dcr.Hold, error)
	// Heartbeat is how often a quiet stream of events shows that it lives;
	// 15 s when zero.
	Heartbeat time.Duration
	// Snapshot copies the ledger, for the owner of the control socket; nil when
	// there is nothing to copy.
	Snapshot func(context.Context) (*store.Snapshot, error)
}

// api answers the JSON API.
type api struct{ o APIOptions }

func newAPI(o APIOptions) *api {
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	return &api{o}
}

// The number of things in a list.
const (
	defaultLimit = 50
	maxLimit     = 500
)

func (a *api) clients(c echo.Context) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	phase, err := phaseOf(c)
	if err != nil {
		return err
	}
	page, next, err := a.o.Ledger.Clients(c.Request().Context(), store.Query{
		Phase: phase, Limit: limit, After: c.QueryParam("after"),
	})
	if err != nil {
		return ledgerProblem(err)
	}
	return c.JSON(nethttp.StatusOK, ClientListView(page, next))
}

func (a *api) client(c echo.Context) error {
	id := c.Param("client_id")
	if !dcr.ValidClientID(id) {
		return ledgerProblem(store.ErrNotFound)
	}
	r, err := a.o.Ledger.Client(c.Request().Context(), id)
	if err != nil {
		return ledgerProblem(err)
	}
	return c.JSON(nethttp.StatusOK, ClientView(r))
}

func (a *api) journal(c echo.Context) error {
	limit, err := limitOf(c)
	if err != nil {
		return err
	}
	id, err := clientIDOf(c)
	if err != nil {
		return err
	}
	page, next, err := a.o.Ledger.Journal(c.Request().Context(), store.JournalQuery{
		ClientID: id, Limit: limit, After: c.QueryParam("after"),
	})
	if err != nil {
		return ledgerProblem(err)
	}
	return c.JSON(nethttp.StatusOK, JournalListView(page, next))
}

func (a *api) config(c echo.Context) error {
	cfg, err := a.o.Config(c.Request().Context())
	if err != nil {
		return ledgerProblem(err)
	}
	cfg.Schema = schema
	if cfg.Scopes == nil {
		cfg.Scopes = []string{}
	}
	if cfg.Settings == nil {
		cfg.Settings = []Setting{}
	}
	return c.JSON(nethttp.StatusOK, cfg)
}

// limitOf is the query's limit; more than there can be is as much as there is.
func limitOf(c echo.Context) (int, error) {
	v := c.QueryParam("limit")
	if v == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, badRequest(fmt.Sprintf("limit must be a number from 1 to %d.", maxLimit))
	}
	return min(n, maxLimit), nil
}

// phaseOf is the query's phase, empty where there is none.
func phaseOf(c echo.Context) (dcr.Phase, error) {
	phase := dcr.Phase(c.QueryParam("phase"))
	if phase != "" && !slices.Contains(dcr.Phases(), phase) {
		return "", badRequest(fmt.Sprintf("phase must be one of %v.", dcr.Phases()))
	}
	return phase, nil
}

// ledgerProblem is the answer where the ledger could not.
func ledgerProblem(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return newProblem(nethttp.StatusNotFound, codeNotFound, "The ledger has no such client.")
	case errors.Is(err, store.ErrCursor):
		return badRequest("after is not a cursor of this list.")
	case errors.Is(err, context.Canceled):
		return errUnavailable("The request was given up.", nil)
	default:
		return errUnavailable("The ledger cannot be read.", err)
	}
}
