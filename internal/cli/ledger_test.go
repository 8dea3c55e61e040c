package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// writeLedger makes a state directory with a ledger in it and no daemon:
// ledger DIRECTORY [hold]. With hold it stays open, as a daemon's would.
func writeLedger(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ctx := context.Background()
	l, err := store.Open(ctx, store.Options{Path: filepath.Join(dir, "grantd.db"), Tenant: "test.eu.auth0.com", Audience: audience})
	ts.Check(err)
	for _, r := range records(time.Now()) {
		ts.Check(write(ctx, l, r))
	}
	ts.Check(l.AddJournal(ctx, entries()...))
	if len(args) > 1 {
		ts.Defer(func() { _ = l.Close() })
		return
	}
	ts.Check(l.Close())
}

// setSchema makes a ledger say that it is of another schema: schema FILE
// NUMBER.
func setSchema(ts *testscript.TestScript, _ bool, args []string) {
	number, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(storetest.SetSchema(ts.MkAbs(args[0]), number))
}

// entries are a journal with something to hide, something that undoes it, and
// something without a client.
func entries() []dcr.JournalEntry {
	hostile := hostile[:100]
	return []dcr.JournalEntry{
		{
			ClientID: "tpc_ready", Cause: dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log-1", Actor: &dcr.Actor{Kind: dcr.ActorUser, ID: hostile}},
			Change: dcr.Change{
				Step: dcr.StepGrant, CorrelationID: "grantd-x",
				Before: map[string]any{"scope": []string{"notes:read", hostile}}, After: map[string]any{"scope": []string{}},
			},
		},
		{
			ClientID: "tpc_ready", Cause: dcr.Cause{Feed: dcr.FeedCommand},
			Change: dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"notes:read"}}, Reverts: 1},
		},
		{
			Cause:  dcr.Cause{Feed: dcr.FeedConfig},
			Change: dcr.Change{Step: dcr.StepScopes, After: map[string]any{"source": "file", "scope": []string{"notes:read"}}},
		},
	}
}

func write(ctx context.Context, l *store.Ledger, r dcr.Record) error {
	if _, err := l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{{
		Kind: dcr.Registered, Class: dcr.Urgent, ClientID: r.ClientID, LogID: "log-" + r.ClientID,
		At: r.RegisteredAt, Registration: dcr.RegistrationDCR, Name: r.Name, Callbacks: r.Callbacks,
	}}}); err != nil {
		return err
	}
	was, err := l.Client(ctx, r.ClientID)
	if err != nil {
		return err
	}
	r.Seq, r.FirstSeenAt, r.FirstSeenFeed = was.Seq, was.FirstSeenAt, was.FirstSeenFeed
	_, err = l.Save(ctx, dcr.Outcome{Record: r})
	return err
}

// hostile is a name that tries to clear the screen, to set the window's title,
// to start a new line, to reverse the text and to fill the terminal.
var hostile = "\x1b[2J\x1b]0;owned\a\u009b31m\r\nroot\u202egpj.exe\u200b\U000e0041" + strings.Repeat("A", 1<<20)

// records are one client of each kind.
func records(now time.Time) []dcr.Record {
	made := now.Add(-3 * time.Hour)
	fine := dcr.Condition{Status: true, Since: made}
	base := func(id, name string, p dcr.Phase) dcr.Record {
		return dcr.Record{
			ClientID: id, Name: name, Phase: p, Registration: dcr.RegistrationDCR, SecurityMode: dcr.Strict,
			Callbacks: []string{"https://chatgpt.com/connector/oauth/" + id}, RegisteredAt: made, LastCheckedAt: made,
		}
	}
	ready := base("tpc_ready", "ChatGPT", dcr.Ready)
	ready.ReadyAt, ready.TimeToReady = made, 131*time.Millisecond
	ready.LastUsedAt = made.Add(time.Hour)
	ready.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: fine}
	blocked := base("tpc_blocked", "ChatGPT", dcr.Blocked)
	blocked.Reason = dcr.ConnectionNotDomainLevel
	blocked.Message = `third-party clients log in only through domain-level connections, and "google-oauth2" is not one`
	blocked.Fix = dcr.PromoteConnection("google-oauth2")
	blocked.Conditions = dcr.Conditions{Promoted: fine, Granted: fine,
		Connected: dcr.Condition{Reason: blocked.Reason, Message: blocked.Message, Fix: blocked.Fix, Since: made}}
	refused := base("tpc_refused", "ChatGPT", dcr.Refused)
	refused.Reason, refused.Message = dcr.CallbackNotAllowed, `callback "https://evil.example/" (1 of 1) is not on the allow-list`
	pending := base("tpc_pending", "Retry", dcr.Pending)
	pending.LastError, pending.Attempts, pending.NextAttemptAt, pending.Class = dcr.Unreachable, 3, now.Add(time.Hour), dcr.Urgent
	dry := base("tpc_dryrun", "Dry", dcr.Pending)
	dry.Reason, dry.NextAttemptAt, dry.Class = dcr.DryRun, now.Add(time.Hour), dcr.Background
	dry.Plan = []dcr.Change{{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"notes:read"}}}}
	evil := base("tpc_hostile", hostile, dcr.Refused)
	evil.Reason, evil.Message = dcr.CallbackNotAllowed, "\x1b[2Jgone\u202e"
	evil.Callbacks = []string{"https://evil.example/\x1b[2J\u202e"}
	return append([]dcr.Record{ready, blocked, refused, pending, dry, evil}, waiting(made, base)...)
}

// waiting are clients that are not what they shall be for a reason of their own.
func waiting(made time.Time, base func(id, name string, p dcr.Phase) dcr.Record) []dcr.Record {
	fine := dcr.Condition{Status: true, Since: made}
	stopped := func(id string, r dcr.Reason, message string) dcr.Record {
		c := base(id, "ChatGPT", dcr.Blocked)
		c.Reason, c.Message = r, message
		c.NextAttemptAt, c.Class = time.Now().Add(time.Hour), dcr.Background
		c.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: dcr.Condition{Reason: r, Message: message, Since: made}}
		return c
	}
	fighting := stopped("tpc_fighting", dcr.Fighting, "application Terraform000 undoes the step grant again and again; grantd leaves it alone until 15:04:05 UTC on 2 Jan")
	held := stopped("tpc_held", dcr.Held, "the application's metadata has grantd=off, so it is left alone")
	held.Attempts, held.Fix = 1, dcr.SwitchedOff.Info().Fix
	held.Conditions.Granted.Fix = held.Fix
	due := func(id string, r dcr.Reason) dcr.Record {
		c := base(id, "ChatGPT", dcr.Pending)
		c.Reason, c.NextAttemptAt, c.Class = r, time.Now().Add(time.Hour), dcr.Background
		c.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: fine}
		return c
	}
	unknown := base("tpc_unknown", "ChatGPT", dcr.Pending)
	unknown.Reason, unknown.Message = dcr.ScopesUnknown, "a scope source has never told any scope, so nothing is granted"
	unknown.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: dcr.Condition{Reason: unknown.Reason, Message: unknown.Message, Since: made}}
	kept := base("tpc_kept", "ChatGPT", dcr.Ready)
	kept.ReadyAt, kept.Unadopted, kept.GrantID = made, true, "cgr_kept"
	kept.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: dcr.Condition{
		Status: true, Reason: dcr.NotAdopted, Since: made,
		Message: "the grant was there before grantd and also holds notes:delete",
	}}
	return []dcr.Record{fighting, held, due("tpc_drifted", dcr.Drifted), due("tpc_unchecked", dcr.Unchecked), unknown, kept}
}
