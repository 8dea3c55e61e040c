package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

// Undoer takes back what a Writer and a Connector wrote.
type Undoer interface {
	DeleteGrant(ctx context.Context, correlationID, grantID string) error
	AllowAllScopes(ctx context.Context, correlationID, grantID string) error
	DisableConnection(ctx context.Context, correlationID, connectionID, clientID string) error
	DemoteConnection(ctx context.Context, correlationID, connectionID string) error
}

// ErrUnsure is wrapped where a write failed in a way that leaves open whether
// Auth0 made it.
var ErrUnsure = errors.New("it is not known whether Auth0 made the change")

// Revertible reports why a journal entry is nothing that can be undone, nil
// when it may be.
func Revertible(e dcr.JournalEntry) error {
	switch {
	case e.Reverts != 0:
		return fmt.Errorf("entry %d is a revert itself, of entry %d; grantd hold release lets grantd make that change again", e.Seq, e.Reverts)
	case !writes(e.Step):
		return fmt.Errorf("entry %d (%.40s) is no write to Auth0, so there is nothing to undo", e.Seq, e.Step)
	case !dcr.ValidClientID(e.ClientID):
		return fmt.Errorf("entry %d names no client", e.Seq)
	default:
		return nil
	}
}

func writes(s dcr.StepKind) bool {
	switch s {
	case dcr.StepPromote, dcr.StepConnect, dcr.StepDomainLevel, dcr.StepGrant, dcr.StepRevoke:
		return true
	default:
		return false
	}
}

// RevertHold is the hold that keeps an undone change from being made again.
func RevertHold(e dcr.JournalEntry) dcr.Hold {
	if e.Step == dcr.StepDomainLevel { // of the tenant, whatever client it was made for
		return dcr.Hold{Scope: dcr.HoldField, Field: e.Step, Reason: dcr.Reverted}
	}
	return dcr.Hold{Scope: dcr.HoldClient, ClientID: e.ClientID, Reason: dcr.Reverted}
}

// Reverted is what undoing a change came to.
type Reverted struct {
	Change dcr.Change // as it is to be journalled
	Notes  []string   // what there is to know beside
}

// Revert undoes the change of a journal entry, if what it changed is still as it
// was left. With dry it only says what it would do. The caller holds what the
// entry is about (RevertHold) and has the client to itself (Loop.Claim).
//
// Whom grantd must never write to, it does not write to for a person either.
func (r *Reconciler) Revert(ctx context.Context, u Undoer, e dcr.JournalEntry, dry bool) (Reverted, error) {
	if err := Revertible(e); err != nil {
		return Reverted{}, err
	}
	s := r.settings.Load()
	if s.Desired.DryRun && !dry {
		return Reverted{}, errors.New("GRANTD_DRY_RUN is on: nothing is written to Auth0")
	}
	v := &reversal{r: r, u: u, e: e, audience: s.Desired.Audience, ctx: auth0.WithCall(ctx, dcr.Urgent, "")}
	if e.Step == dcr.StepDomainLevel {
		select {
		case r.promoting <- struct{}{}:
			defer func() { <-r.promoting }()
		case <-ctx.Done():
			return Reverted{}, ctx.Err()
		}
	} else if err := v.mayTouch(s); err != nil {
		return Reverted{}, err
	}
	undo, err := v.prepare()
	if err != nil {
		return Reverted{}, err
	}
	out := Reverted{Notes: v.notes, Change: dcr.Change{Step: e.Step, Before: e.After, After: v.after(), Reverts: e.Seq}}
	if dry {
		return out, nil
	}
	out.Change.CorrelationID = r.correlationID()
	if err := undo(out.Change.CorrelationID); err != nil {
		return Reverted{}, failedUndo(err)
	}
	out.Change.At = r.now()
	if e.Step == dcr.StepDomainLevel {
		r.facts.invalidate()
	}
	r.log.Warn("[dcr] reverted a change", "client_id", e.ClientID, "seq", e.Seq, "step", e.Step)
	return out, nil
}

// failedUndo says what a person can do about a write that failed.
func failedUndo(err error) error {
	e, _ := errors.AsType[*auth0.Error](err)
	switch {
	case unsure(err):
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	case e.Reason == dcr.MissingScope && strings.Contains(e.Scope, "delete:client_grants"):
		return fmt.Errorf("undoing a created grant means deleting it, for which grantd's application needs delete:client_grants: "+
			"add it under Applications → APIs → Auth0 Management API → Machine to Machine Applications for as long as this takes, "+
			"or hold the client (grantd hold add) and delete the grant under Applications → the application → APIs: %w", err)
	default:
		return auth0.Hinted(err)
	}
}

// unsure reports whether a write that failed so may have been made all the same:
// Auth0 did not answer, or not to the end, or with a failure of its own.
func unsure(err error) bool {
	e, ok := errors.AsType[*auth0.Error](err)
	switch {
	case !ok:
		return true
	case e.Status == 0:
		return e.Reason != dcr.MissingScope
	default:
		return e.Status < 300 || e.Status == http.StatusRequestTimeout || e.Status >= 500
	}
}

// Restored is the record of a client whose revocation was undone: nothing of it
// says any more that its scopes were taken away.
func Restored(rec dcr.Record) dcr.Record {
	if revoked(rec) {
		rec.Conditions.Granted = dcr.Condition{Status: true, Since: rec.Conditions.Granted.Since}
		rec.Message, _, _ = strings.Cut(rec.Message, "; "+revokedMessage)
		rec.Fix = ""
	}
	return rec
}
