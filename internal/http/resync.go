package http

import (
	"context"
	"errors"
	nethttp "net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// Resyncer looks at clients anew, and forgets them.
type Resyncer interface {
	// Resync looks at one client at once and waits for what comes of it. It is
	// store.ErrNotFound where the ledger has no such client.
	Resync(ctx context.Context, id string) (Resynced, error)
	// ResyncAll makes clients due in the background: those of a phase, or all
	// that are not gone where it is empty. Without a daemon it does the work.
	ResyncAll(ctx context.Context, phase dcr.Phase, progress func(Progress)) (ResyncedAll, error)
	Forgetter
}

// Forgetter removes records from the ledger. Nothing of it needs Auth0.
type Forgetter interface {
	// Forget removes the record of a client that is gone or refused, of any with
	// force. Its errors are those of store.Ledger.Forget.
	Forget(ctx context.Context, id string, force bool) (Forgotten, error)
}

// Resynced is what looking at one client came to.
type Resynced struct {
	Schema  int            `json:"schema"`
	TookMS  int64          `json:"took_ms"`
	Client  Client         `json:"client"`
	Changes []JournalEntry `json:"changes"` // the writes it took, oldest first
}

// ResyncedView shows what looking at a client came to, from its journal
// entries, newest first.
func ResyncedView(r dcr.Record, made []dcr.JournalEntry, tookMS int64) Resynced {
	v := Resynced{Schema: schema, TookMS: tookMS, Client: ClientView(r), Changes: []JournalEntry{}}
	for _, e := range slices.Backward(made) {
		v.Changes = append(v.Changes, JournalView(e))
	}
	return v
}

// ResyncedAll is what making many clients due came to.
type ResyncedAll struct {
	Schema int       `json:"schema"`
	Phase  dcr.Phase `json:"phase"` // empty: of every phase but gone
	Due    int       `json:"due"`   // clients made due
	// Done: they were worked on, since no daemon does it in the background. Left
	// are then those of them that are not as desired.
	Done bool   `json:"done"`
	Left []Left `json:"left"`
}

// ResyncedAllView shows what making clients due came to.
func ResyncedAllView(phase dcr.Phase, due int, done bool, left []Left) ResyncedAll {
	if left == nil {
		left = []Left{}
	}
	return ResyncedAll{schema, phase, due, done, left}
}

// Forgotten is a client whose record was removed.
type Forgotten struct {
	Schema int    `json:"schema"`
	Client Client `json:"client"` // as it was
	Holds  []Hold `json:"holds"`  // that stay, should it register again
}

// ForgottenView shows a client whose record was removed, and its holds.
func ForgottenView(was dcr.Record, holds []dcr.Hold) Forgotten {
	return Forgotten{schema, ClientView(was), holdViews(holds)}
}

func (c commands) resync(e echo.Context) error {
	id, err := pathClientID(e)
	if err != nil {
		return err
	}
	return c.stream(e, func(ctx context.Context, _ func(Progress)) (Message, error) {
		r, err := c.Resync(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			err = errNoClient(id)
		}
		return Message{Resynced: &r}, err
	})
}

func (c commands) resyncAll(e echo.Context) error {
	phase, err := phaseOf(e)
	if err != nil {
		return err
	}
	return c.stream(e, func(ctx context.Context, progress func(Progress)) (Message, error) {
		r, err := c.ResyncAll(ctx, phase, progress)
		return Message{ResyncedAll: &r}, err
	})
}

func (c commands) forget(e echo.Context) error {
	id, err := pathClientID(e)
	if err != nil {
		return err
	}
	force := e.QueryParam("force")
	if force != "" && force != "true" && force != "false" {
		return badRequest("force is true or false.")
	}
	unhurried(e)
	f, err := c.Forget(e.Request().Context(), id, force == "true")
	switch {
	case errors.Is(err, store.ErrNotFound):
		return errNoClient(id)
	case errors.Is(err, store.ErrInUse), errors.Is(err, store.ErrGrantKept):
		return newProblem(nethttp.StatusConflict, ForgetCode(err), err.Error()+".")
	case err != nil:
		return errUnavailable("The ledger cannot be written.", err)
	}
	return e.JSON(nethttp.StatusOK, f)
}

// Codes in the error field of a Problem that says why a record stays.
const (
	CodeInUse     = "client_in_use"
	CodeGrantKept = "grant_kept"
)

// ForgetCode is the code that says why a record stays.
func ForgetCode(err error) string {
	if errors.Is(err, store.ErrGrantKept) {
		return CodeGrantKept
	}
	return CodeInUse
}

// pathClientID is the client id in the URL.
func pathClientID(e echo.Context) (string, error) {
	id := e.Param("client_id")
	if !dcr.ValidClientID(id) {
		return "", ledgerProblem(store.ErrNotFound)
	}
	return id, nil
}

func errNoClient(id string) error {
	return newProblem(nethttp.StatusNotFound, codeNotFound, "The ledger has no client "+id+"; grantd clients list has those it knows.")
}
