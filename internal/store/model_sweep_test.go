package store_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

const modelPrefix = "grantd-0123456789ab-"

// sources are addresses and what the ledger with modelPrefix makes of them,
// by sha256sum.
func sources() map[string]string {
	return map[string]string{
		"": "", "192.0.2.1": "8e57a8f1", "2001:db8:0:1::7": "fbc35f5f", "2001:db8:0:1:8::": "fbc35f5f",
	}
}

func (m *model) setDigest(digest string) (n int) {
	if digest == m.digest {
		return 0
	}
	m.digest = digest
	for _, id := range m.ids(func(r dcr.Record) bool {
		due := !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(m.clock.at)
		return r.Phase != dcr.Gone && (r.Digest != digest || due)
	}) {
		r := m.records[id]
		if r.Phase == dcr.Refused && !r.LastCheckedAt.IsZero() && r.SecurityMode == "" {
			continue
		}
		due := !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(m.clock.at)
		if first := r.Phase == dcr.Pending && r.LastCheckedAt.IsZero(); !due && !first {
			r.Cause = dcr.Cause{Feed: dcr.FeedConfig, Digest: digest}
		}
		r.Phase, r.Reason, r.Message = dcr.Pending, dcr.Unchecked, ""
		m.seq++
		r.Seq = m.seq
		m.records[id] = r
		n++
	}
	return n
}

func (m *model) adopt() (n int) {
	for _, id := range m.ids(func(r dcr.Record) bool { return r.Unadopted }) {
		r := m.records[id]
		m.seq++
		r.Unadopted, r.Seq = false, m.seq
		m.records[id] = r
		if r.Phase != dcr.Refused && r.Phase != dcr.Gone {
			n++
		}
	}
	return n
}

func (m *model) queueUnlisted(since time.Time, digest string, limit int, cause dcr.Cause) (unchecked, others int) {
	ids := m.ids(func(r dcr.Record) bool {
		first := !r.LastCheckedAt.IsZero() && r.SecurityMode == ""
		return r.Phase != dcr.Gone && !first && r.LastCheckedAt.Before(since) && r.NextAttemptAt.IsZero()
	})
	late := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return m.records[id].Digest != digest })
	slices.SortStableFunc(late, func(a, b string) int { return m.records[a].LastCheckedAt.Compare(m.records[b].LastCheckedAt) })
	if limit >= 0 && len(late) > limit {
		late = late[:limit]
	}
	old := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return m.records[id].Digest == digest })
	var queued []string
	if limit < 0 { // in one pass
		queued = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(old, id) && !slices.Contains(late, id) })
	} else {
		queued = append(slices.Clone(old), late...)
	}
	for _, id := range queued {
		r := m.records[id]
		if r.Reason == dcr.Unchecked {
			m.makeDue(&r, dcr.Background, r.Cause)
		} else {
			m.makeDue(&r, dcr.Background, cause)
		}
		m.records[id] = r
	}
	return len(old), len(late)
}

func (m *model) saveSwept(found []store.Swept) []uint64 {
	seqs := make([]uint64, len(found))
	for i, f := range found {
		seqs[i] = m.swept(f)
	}
	return seqs
}

func (m *model) swept(f store.Swept) uint64 {
	r, known := m.records[f.Record.ClientID]
	now := m.clock.at
	if r.Seq != f.Record.Seq || r.LastCheckedAt.After(f.ObservedAt) || r.SightedAt.After(f.ObservedAt) ||
		r.Class == dcr.Urgent && !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(now) {
		return 0
	}
	if !known {
		r = dcr.Record{
			ClientID: f.Record.ClientID, Registration: dcr.RegistrationUnknown, Phase: dcr.Pending,
			FirstSeenAt: now, FirstSeenFeed: dcr.FeedSweep, Unadopted: m.first(),
		}
	}
	r.Name, r.SecurityMode = f.Record.Name, f.Record.SecurityMode
	if r.GrantID != f.Record.GrantID {
		r.GrantID, r.GrantMade = f.Record.GrantID, false
	}
	switch {
	case !f.Due:
		r.Phase, r.Reason, r.Message, r.Digest = f.Record.Phase, f.Record.Reason, f.Record.Message, f.Record.Digest
		r.NextAttemptAt, r.Class, r.Attempts, r.LastError = f.Record.NextAttemptAt, f.Record.Class, f.Record.Attempts, f.Record.LastError
		r.LastCheckedAt, r.Cause = f.Record.LastCheckedAt, f.Record.Cause
		r.Unadopted = r.Unadopted && !r.GrantMade
		if !known {
			m.seq++
			r.Seq = m.seq
		}
	case r.Attempts > 0 && r.LastError != "" && r.NextAttemptAt.After(now):
	default:
		waits := !r.NextAttemptAt.IsZero() && !r.NextAttemptAt.After(now)
		before := r.NextAttemptAt
		m.makeDue(&r, dcr.Background, f.Record.Cause)
		r.Phase, r.Reason, r.Message = dcr.Pending, dcr.Drifted, ""
		if f.Record.Phase == dcr.Refused {
			r.Phase, r.Reason, r.Message = dcr.Refused, f.Record.Reason, f.Record.Message
		}
		r.NextAttemptAt = now
		if f.DueAt.Before(now) {
			r.NextAttemptAt = f.DueAt
		}
		if waits && before.Before(r.NextAttemptAt) {
			r.NextAttemptAt = before
		}
	}
	m.records[r.ClientID] = r
	return r.Seq
}

// hold sets holds, each of which makes up to 16 forgotten that ended long ago.
func (m *model) hold(holds []dcr.Hold) {
	for _, h := range holds {
		delete(m.holds, string(store.HoldKey(h)))
		old := slices.SortedFunc(maps.Values(m.holds), func(a, b dcr.Hold) int {
			return cmp.Or(a.Until.Compare(b.Until), bytes.Compare(store.HoldKey(a), store.HoldKey(b)))
		})
		old = slices.DeleteFunc(old, func(h dcr.Hold) bool { return h.Until.IsZero() })
		for _, o := range old[:min(len(old), 16)] {
			if m.clock.at.Sub(o.Until) > store.HoldKept {
				delete(m.holds, string(store.HoldKey(o)))
			}
		}
		m.holds[string(store.HoldKey(h))] = h
	}
}

// heldNow are the holds, sorted.
func (m *model) heldNow() (holds []dcr.Hold) {
	return slices.SortedFunc(maps.Values(m.holds), func(a, b dcr.Hold) int { return bytes.Compare(store.HoldKey(a), store.HoldKey(b)) })
}

// sweepSomething does one of the things that sweeps and people do.
func sweepSomething(ctx context.Context, rnd *rand.Rand, l *store.Ledger, m *model, step int) (what string, got, want any, err error) {
	now := m.clock.at
	cause := dcr.Cause{Feed: dcr.FeedSweep, LogID: fmt.Sprint("sweep", step)}
	switch rnd.IntN(10) {
	case 0:
		s := dcr.FeedStatus{LastSuccessAt: now}
		m.feeds[dcr.FeedSweep] = m.feeds[dcr.FeedSweep].Merge(s)
		return "set feed", l.FirstSweepEnded() && m.first(), false, l.SetFeed(ctx, dcr.FeedSweep, s)
	case 1:
		n := m.adopt()
		adopted, err := l.Adopt(ctx)
		return "adopt", adopted, n, err
	case 2, 3:
		since, limit := now.Add(-time.Duration(rnd.Int64N(int64(20*time.Minute)))), rnd.IntN(5)-1
		wantUnchecked, wantOthers := m.queueUnlisted(since, m.digest, limit, cause)
		unchecked, others, err := l.QueueUnlisted(ctx, since, m.digest, limit, cause)
		return fmt.Sprint("queue unlisted ", limit), []int{unchecked, others}, []int{wantUnchecked, wantOthers}, err
	case 4:
		m.journal = append(m.journal, "")
		return "journal", nil, nil, l.AddJournal(ctx, dcr.JournalEntry{Change: dcr.Change{Step: dcr.StepScopes}})
	case 5:
		ids := []string{"tpc_1", "tpc_2", "tpc_3"}
		records := map[string]dcr.Record{}
		for _, id := range ids {
			if r, ok := m.records[id]; ok {
				records[id] = r
			}
		}
		read, err := l.Records(ctx, ids)
		return "records", read, records, err
	default:
		var found []store.Swept
		for range 1 + rnd.IntN(4) {
			found = append(found, randomSwept(rnd, m, cause))
		}
		seqs, err := l.SaveSwept(ctx, found)
		return fmt.Sprintf("save swept %+v", found), seqs, m.saveSwept(found), err
	}
}

func randomSwept(rnd *rand.Rand, m *model, cause dcr.Cause) store.Swept {
	now := m.clock.at
	id := fmt.Sprint("tpc_", rnd.IntN(30))
	r, known := m.records[id]
	if !known {
		r = dcr.Record{ClientID: id}
	}
	if rnd.IntN(8) == 0 {
		r.Seq-- // judged before something happened, or forgotten
	}
	r.Name, r.Cause, r.SecurityMode = "swept", cause, dcr.Strict
	r.GrantID = []string{"", "cgr_" + id}[rnd.IntN(2)]
	f := store.Swept{Record: r, ObservedAt: now.Add(-time.Duration(rnd.Int64N(int64(2 * time.Minute)))), Due: rnd.IntN(2) == 0}
	f.DueAt = now.Add(time.Duration(rnd.Int64N(int64(time.Hour))) - 50*time.Minute)
	if !f.Due {
		f.Record.Phase, f.Record.Reason, f.Record.Message = []dcr.Phase{dcr.Ready, dcr.Refused}[rnd.IntN(2)], "", ""
		f.Record.NextAttemptAt, f.Record.Attempts, f.Record.LastError = time.Time{}, 0, ""
		f.Record.Class, f.Record.LastCheckedAt, f.Record.Digest = "", now, m.digest
	}
	return f
}
