package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"time"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// Brakes hold grantd back, and let it go on.
type Brakes interface {
	// Hold sets a hold and has what it covers shown as held.
	Hold(ctx context.Context, r HoldRequest) (HoldSet, error)
	// Release removes holds and has what they kept back looked at. It is
	// ErrNoHold where none is selected.
	Release(ctx context.Context, s store.HoldSelector) (HoldsReleased, error)
}

// ErrNoHold says that no hold is in force of those that were to be released.
var ErrNoHold = errors.New("no such hold is in force")

// HoldRequest asks for a hold of a client, or of everything without one.
type HoldRequest struct {
	ClientID string        // valid, or empty
	For      time.Duration // up to MaxHold; 0: until it is released
}

// MaxHold is the longest time for which a hold can be set.
const MaxHold = 10 * 365 * 24 * time.Hour

// Hold is a brake as everybody gets to see it.
type Hold struct {
	Scope    dcr.HoldScope `json:"scope"`
	ClientID string        `json:"client_id"` // empty: of every client
	Field    dcr.StepKind  `json:"field"`     // empty: of every step
	Reason   dcr.Reason    `json:"reason"`
	Since    dcr.Timestamp `json:"since"`
	Until    dcr.Timestamp `json:"until"` // null: until it is released
	Times    int           `json:"times"` // in a row, of fights
	Actor    *dcr.Actor    `json:"actor"` // whose doing it answers; null when a person set it or nobody knows
}

// HoldView shows a hold.
func HoldView(h dcr.Hold) Hold {
	return Hold{
		Scope: h.Scope, ClientID: h.ClientID, Field: h.Field, Reason: h.Reason,
		Since: dcr.Timestamp{Time: h.Since}, Until: dcr.Timestamp{Time: h.Until}, Times: h.Times, Actor: h.Actor,
	}
}

func holdViews(holds []dcr.Hold) []Hold {
	views := make([]Hold, len(holds))
	for i, h := range holds {
		views[i] = HoldView(h)
	}
	return views
}

// HoldList are the holds in force.
type HoldList struct {
	Schema int    `json:"schema"`
	Holds  []Hold `json:"holds"`
}

// HoldListView shows holds.
func HoldListView(holds []dcr.Hold) HoldList { return HoldList{schema, holdViews(holds)} }

// HoldSet is a hold that was set.
type HoldSet struct {
	Schema int  `json:"schema"`
	Hold   Hold `json:"hold"`
	// Known: the ledger has the client. True of a hold of everything.
	Known bool `json:"known"`
}

// HoldSetView shows a hold that was set.
func HoldSetView(h dcr.Hold, known bool) HoldSet { return HoldSet{schema, HoldView(h), known} }

// HoldsReleased are holds that were released.
type HoldsReleased struct {
	Schema int    `json:"schema"`
	Holds  []Hold `json:"holds"`
	// ClientsDue are looked at now, ClientsToCheck by a sweep.
	ClientsDue     int `json:"clients_due"`
	ClientsToCheck int `json:"clients_to_check"`
}

// HoldsReleasedView shows what a release came to.
func HoldsReleasedView(r store.Released) HoldsReleased {
	return HoldsReleased{schema, holdViews(r.Holds), r.Due, r.Unchecked}
}

// holds answers what is held back.
func (a *api) holds(c echo.Context) error {
	var holds []dcr.Hold
	if a.o.Holds != nil {
		var err error
		if holds, err = a.o.Holds(c.Request().Context()); err != nil {
			return ledgerProblem(err)
		}
	}
	return c.JSON(nethttp.StatusOK, HoldListView(holds))
}

// clientIDOf is the query's client id, empty where there is none.
func clientIDOf(c echo.Context) (string, error) {
	id := c.QueryParam("client_id")
	if id != "" && !dcr.ValidClientID(id) {
		return "", badRequest("client_id is not one.")
	}
	return id, nil
}

func (c commands) hold(e echo.Context) error {
	id, err := clientIDOf(e)
	if err != nil {
		return err
	}
	r := HoldRequest{ClientID: id}
	if v := e.QueryParam("for"); v != "" {
		if r.For, err = time.ParseDuration(v); err != nil || r.For <= 0 || r.For > MaxHold {
			return badRequest(fmt.Sprintf("for must be a duration above 0 and up to %s, such as 30m.", MaxHold))
		}
	}
	unhurried(e)
	set, err := c.Hold(e.Request().Context(), r)
	if err != nil {
		return brakeProblem(err)
	}
	return e.JSON(nethttp.StatusOK, set)
}

func (c commands) release(e echo.Context) error {
	id, err := clientIDOf(e)
	if err != nil {
		return err
	}
	s := store.HoldSelector{
		Scope: dcr.HoldScope(e.QueryParam("scope")), ClientID: id,
		Field: dcr.StepKind(e.QueryParam("field")), Reason: dcr.Reason(e.QueryParam("reason")),
	}
	switch all := e.QueryParam("all"); {
	case all == "true" && s == store.HoldSelector{}:
		s.All = true
	case all != "" && all != "false", s == store.HoldSelector{}:
		return badRequest("Say which holds by scope, client_id, field or reason, or all=true alone.")
	}
	unhurried(e)
	released, err := c.Release(e.Request().Context(), s)
	if err != nil {
		return brakeProblem(err)
	}
	return e.JSON(nethttp.StatusOK, released)
}

// unhurried lets the answer come when all clients are marked, of which there may
// be many.
func unhurried(e echo.Context) {
	_ = nethttp.NewResponseController(e.Response().Writer).SetWriteDeadline(time.Time{})
}

func brakeProblem(err error) error {
	if errors.Is(err, ErrNoHold) {
		return newProblem(nethttp.StatusNotFound, codeNotFound, "No such hold is in force.")
	}
	return errUnavailable("The ledger cannot be written.", err)
}
