package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

func (m *model) setHolds(h dcr.Hold) {
	m.hold([]dcr.Hold{h})
	cause := dcr.Cause{Feed: dcr.FeedCommand}
	m.requeue(dcr.Background, cause, func(r dcr.Record) bool {
		mine := r.ClientID == h.ClientID || h.Scope == dcr.HoldAll
		return mine && r.Phase != dcr.Refused && r.Phase != dcr.Gone
	})
}

func (m *model) release(s store.HoldSelector) (done store.Released) {
	everybody := false
	named := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(m.holds)) {
		h := m.holds[key]
		if !s.Matches(h) {
			continue
		}
		delete(m.holds, key)
		if h.Until.IsZero() || h.Until.After(m.clock.at) {
			done.Holds = append(done.Holds, h)
			everybody = everybody || h.ClientID == ""
			named[h.ClientID] = true
		}
	}
	if !everybody {
		done.Due = m.requeue(dcr.Urgent, dcr.Cause{Feed: dcr.FeedCommand}, func(r dcr.Record) bool {
			turnedBad := r.Phase == dcr.Refused && !r.ReadyAt.IsZero()
			return named[r.ClientID] && (r.Phase == dcr.Blocked || r.Phase == dcr.Pending || turnedBad)
		})
		return done
	}
	for _, id := range m.ids(func(r dcr.Record) bool {
		due := !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(m.clock.at)
		return r.Phase == dcr.Blocked && (r.Reason == dcr.Held || r.Reason == dcr.Fighting) ||
			r.Phase == dcr.Pending && due && r.Class == dcr.Background && r.Cause.Feed == dcr.FeedCommand
	}) {
		r := m.records[id]
		m.seq++
		r.Phase, r.Reason, r.Message, r.Seq, r.Cause = dcr.Pending, dcr.Unchecked, "", m.seq, dcr.Cause{Feed: dcr.FeedCommand}
		r.Digest, r.NextAttemptAt, r.Class, r.Attempts = "", time.Time{}, "", 0
		m.records[id] = r
		done.Unchecked++
	}
	return done
}

// brakeSomething sets or releases a hold in both.
func brakeSomething(ctx context.Context, rnd *rand.Rand, l *store.Ledger, m *model) (what string, got, want any, err error) {
	id := fmt.Sprint("tpc_", rnd.IntN(30))
	if rnd.IntN(2) == 0 {
		h := dcr.Hold{Scope: dcr.HoldClient, ClientID: id, Reason: dcr.Held, Since: m.clock.at}
		if rnd.IntN(3) == 0 {
			h.Scope, h.ClientID = dcr.HoldAll, ""
		}
		if rnd.IntN(2) == 0 {
			h.Until = m.clock.at.Add(time.Minute)
		}
		m.setHolds(h)
		return fmt.Sprintf("hold %+v", h), nil, nil, l.SetHolds(ctx, h)
	}
	s := []store.HoldSelector{{All: true}, {Scope: dcr.HoldAll}, {ClientID: id}, {Reason: dcr.Held}}[rnd.IntN(4)]
	want = m.release(s)
	got, err = l.Release(ctx, s)
	return fmt.Sprintf("release %+v", s), got, want, err
}
