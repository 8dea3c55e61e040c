package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/store"
)

// part is how many records are written at once.
const part = 5000

// filled stops grantd, puts clients into its ledger that are as a sweep leaves
// them, and starts it again. It has swept the tenant before, for the desired
// state of now, so that it takes them as they are.
func (w *world) filled(ctx context.Context) (err error) {
	if err := w.daemon.Stop(); err != nil {
		return err
	}
	l, err := store.Open(ctx, store.Options{Path: filepath.Join(w.state(), "grantd.db"), Existing: true})
	if err != nil {
		return err
	}
	if err := put(ctx, l, w.fill); err != nil {
		_ = l.Close() // the first error says more
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	return w.start(ctx)
}

func put(ctx context.Context, l *store.Ledger, n int) error {
	digest, err := l.Digest(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	for from := 0; from < n; from += part {
		found := make([]store.Swept, 0, part)
		for i := from; i < min(from+part, n); i++ {
			found = append(found, store.Swept{ObservedAt: now, Record: record(i, digest, now)})
		}
		if _, err := l.SaveSwept(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

// record is the i-th client: of every hundred, one is refused and one has a name of its own.
func record(i int, digest string, now time.Time) dcr.Record {
	registered := now.Add(-time.Duration(i) * time.Minute)
	yes := dcr.Condition{Status: true, Since: registered}
	r := dcr.Record{
		ClientID: fmt.Sprintf("tpc_%06d000000000000000000000000", i), Name: "ChatGPT", Registration: dcr.RegistrationDCR,
		SecurityMode: dcr.Strict, Callbacks: []string{fmt.Sprintf("https://chatgpt.com/connector/oauth/filled%d", i)},
		Phase: dcr.Ready, FirstSeenAt: registered, FirstSeenFeed: dcr.FeedSweep, RegisteredAt: registered,
		ReadyAt: registered.Add(time.Second), TimeToReady: time.Second, LastCheckedAt: now,
		Digest: digest, GrantID: fmt.Sprintf("cgr_%012d", i), GrantMade: true,
		Conditions: dcr.Conditions{Promoted: yes, Connected: yes, Granted: yes},
		Cause:      dcr.Cause{Feed: dcr.FeedSweep, Digest: digest},
	}
	switch i % 100 {
	case 33:
		r.Phase, r.Reason, r.Message = dcr.Refused, dcr.CallbackNotAllowed, "its callback is on no allow-list"
		r.Name, r.Callbacks = "Stranger", []string{"https://evil.example/callback"}
		r.Conditions, r.GrantID, r.GrantMade, r.ReadyAt, r.TimeToReady = dcr.Conditions{}, "", false, time.Time{}, 0
	case 66:
		r.Name = fmt.Sprintf("Claude %d", i)
	}
	return r
}
