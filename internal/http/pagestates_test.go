package http_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/http"
	"grantd/internal/page"
	"grantd/internal/plan"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// scene is a listener with a status page in a certain state.
type scene struct {
	ledger *store.Ledger
	health *health.Tracker
	limit  *health.RateLimit
	about  page.About
	has    dcr.Capacity
	known  bool
	wait   map[dcr.Class]int
	now    time.Time
	clock  time.Time // of the ledger
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{now: time.Now(), about: page.About{Version: "1.2.3", Tenant: "acme.eu.auth0.com", Audience: "https://mcp.example.com/mcp"}}
	s.clock = s.now
	s.ledger = storetest.Open(t, func(o *store.Options) { o.Now = func() time.Time { return s.clock } })
	s.health = health.New(health.Options{
		Ledger: s.ledger, Holds: s.ledger.Holds, RateLimit: func() *health.RateLimit { return s.limit },
	})
	return s
}

// works tells of calls that went well.
func (s *scene) works(t testing.TB) {
	t.Helper()
	s.health.Called(health.Call{Op: health.OpJWKS, Status: 200})
	s.health.Called(health.Call{Op: "get_client", Status: 200})
	s.limit = &health.RateLimit{Limit: 50, Remaining: 47, ResetAt: dcr.Timestamp{Time: s.now.Add(2 * time.Second)}}
	for feed, status := range map[dcr.Feed]dcr.FeedStatus{
		dcr.FeedWebhook: {LastEventAt: s.now.Add(-time.Second), LastDeliveryAt: s.now.Add(-time.Second), Events: 12_345},
		dcr.FeedPoll:    {LastEventAt: s.now.Add(-time.Minute), LastSuccessAt: s.now.Add(-12 * time.Second)},
		dcr.FeedSweep:   {LastSuccessAt: s.now.Add(-42 * time.Minute)},
	} {
		if err := s.ledger.SetFeed(t.Context(), feed, status); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *scene) page() *page.Page {
	return page.New(page.Options{
		Ledger: s.ledger, Health: s.health, Holds: s.ledger.Holds, About: func() page.About { return s.about },
		Waiting:  func() map[dcr.Class]int { return s.wait },
		Capacity: func() (dcr.Capacity, bool) { return s.has, s.known },
	})
}

func (s *scene) handler() nethttp.Handler {
	return http.Admin(http.AdminOptions{
		API: http.APIOptions{Ledger: s.ledger, Events: http.NewBroker(), Logger: discard(), Config: func(context.Context) (http.Configuration, error) {
			return http.Configuration{}, nil
		}},
		Page: s.page(), Metrics: nethttp.NotFoundHandler(),
	})
}

// add puts clients into the ledger: they register, and are worked on.
func (s *scene) add(t testing.TB, records ...dcr.Record) {
	t.Helper()
	for _, r := range records {
		s.clock = r.FirstSeenAt
		_, err := s.ledger.Record(t.Context(), store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: r.ClientID, LogID: "log" + r.ClientID, At: r.RegisteredAt, Registration: r.Registration,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		stored, err := s.ledger.Client(t.Context(), r.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		r.Seq = stored.Seq
		if _, err := s.ledger.Save(t.Context(), dcr.Outcome{Record: r, Changes: changesOf(r)}); err != nil {
			t.Fatal(err)
		}
	}
	s.clock = s.now
}

// changesOf are the changes that a client of this kind had made.
func changesOf(r dcr.Record) []dcr.Change {
	if r.Phase != dcr.Ready {
		return nil
	}
	return []dcr.Change{
		{Step: dcr.StepPromote, At: r.FirstSeenAt, CorrelationID: "grantd-1-1", Before: map[string]any{"app_type": nil, "grant_types": []string{"authorization_code"}}, After: map[string]any{"app_type": "regular_web", "grant_types": []string{"authorization_code", "refresh_token"}}},
		{Step: dcr.StepGrant, At: r.FirstSeenAt, CorrelationID: "grantd-1-2", Before: map[string]any{"scope": []string{"old:scope"}}, After: map[string]any{"scope": []string{"notes:read", "notes:write"}}},
	}
}

// sweep puts many clients into the ledger at once.
func (s *scene) sweep(t testing.TB, records []dcr.Record) {
	t.Helper()
	for part := range slices.Chunk(records, 2500) {
		swept := make([]store.Swept, len(part))
		for i, r := range part {
			swept[i] = store.Swept{Record: r, ObservedAt: s.now}
		}
		s.clock = part[0].FirstSeenAt
		if _, err := s.ledger.SaveSwept(t.Context(), swept); err != nil {
			t.Fatal(err)
		}
	}
	s.clock = s.now
}

// clientOf is a client as it could be, in a phase.
func (s *scene) clientOf(n int, phase dcr.Phase) dcr.Record {
	at := s.now.Add(-time.Duration(n) * 7 * time.Minute)
	r := dcr.Record{
		ClientID: fmt.Sprintf("tpc_%022d", n), Name: []string{"ChatGPT", "Claude", "MCP Inspector"}[n%3],
		Registration: dcr.RegistrationDCR, SecurityMode: dcr.Strict,
		Callbacks: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
		Phase:     phase, FirstSeenAt: at, FirstSeenFeed: dcr.FeedWebhook, RegisteredAt: at, LastCheckedAt: at,
		Cause: dcr.Cause{Feed: dcr.FeedWebhook, LogID: "log"},
	}
	fine := dcr.Condition{Status: true, Since: at}
	r.Conditions = dcr.Conditions{Promoted: fine, Connected: fine, Granted: fine}
	switch phase {
	case dcr.Ready:
		r.TimeToReady = time.Duration(180+n*37%900) * time.Millisecond
		r.ReadyAt, r.GrantID, r.GrantMade, r.LastUsedAt = at.Add(r.TimeToReady), fmt.Sprint("cgr_", n), true, at.Add(2*time.Second)
	case dcr.Blocked:
		r.Reason, r.Message = dcr.ConnectionNotDomainLevel, plan.NotDomainLevel("google-oauth2").Message
		r.Conditions.Connected = dcr.Condition{Reason: r.Reason, Message: r.Message, Since: at}
		r.NextAttemptAt, r.Class = s.now.Add(20*time.Minute), dcr.Background
	case dcr.Refused:
		r.Reason, r.Message = dcr.CallbackNotAllowed, "https://evil.example/cb is not on the allow-list."
		r.Callbacks = []string{"https://evil.example/cb"}
	case dcr.Pending:
		r.Reason, r.Attempts, r.LastError = dcr.ServerError, 3, dcr.ServerError
		r.NextAttemptAt, r.Class = s.now.Add(time.Minute), dcr.Urgent
	case dcr.Gone:
		r.Reason = dcr.DeletedInAuth
	}
	return r
}

// hostile is what strangers may call a client, and what of it must not be seen
// as such.
const hostile = "</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m\u0000\u200b \"'><b>Ünï</b> "

// scenes are the states to look at, by name.
func scenes() map[string]func(testing.TB) *scene {
	return map[string]func(testing.TB) *scene{
		"ok": func(t testing.TB) *scene {
			s := newScene(t)
			s.works(t)
			s.has, s.known = dcr.Capacity{Totals: dcr.Totals{Applications: 63, Grants: 61}, Limits: dcr.Limits{Plan: "essentials", Applications: 100, Grants: 10_000}}, true
			for n := range 120 {
				s.add(t, s.clientOf(n, dcr.Ready))
			}
			s.add(t, s.clientOf(200, dcr.Refused), s.clientOf(201, dcr.Gone))
			return s
		},
		"degraded": func(t testing.TB) *scene {
			s := newScene(t)
			s.works(t)
			s.health.LogStream(true)
			s.health.ScopeSources(true, true)
			s.wait = map[dcr.Class]int{dcr.Urgent: 3, dcr.Background: 1412}
			s.limit.Remaining = 4
			s.has, s.known = dcr.Capacity{Totals: dcr.Totals{Applications: 96, Grants: 61}, Limits: dcr.Limits{Plan: "essentials or professional", Guessed: true, Applications: 100, Grants: 10_000}}, true
			for n := range 40 {
				s.add(t, s.clientOf(n, dcr.Phases()[n%5]))
			}
			missing := s.clientOf(50, dcr.Blocked)
			missing.Reason, missing.Message = dcr.MissingScope, (&auth0.Error{
				Op: "create_client_grant", Status: 403, Code: "insufficient_scope", Reason: dcr.MissingScope, Scope: "create:client_grants",
				Message: "Insufficient scope, expected any of: create:client_grants",
			}).Error()
			s.add(t, missing)
			err := s.ledger.SetHolds(t.Context(),
				dcr.Hold{Scope: dcr.HoldClient, ClientID: s.clientOf(5, dcr.Ready).ClientID, Reason: dcr.Held, Since: s.now.Add(-time.Hour)},
				dcr.Hold{Scope: dcr.HoldField, ClientID: s.clientOf(10, dcr.Ready).ClientID, Field: dcr.StepGrant, Reason: dcr.Fighting, Since: s.now.Add(-time.Minute), Until: s.now.Add(9 * time.Minute), Times: 1},
			)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		"down": func(t testing.TB) *scene {
			s := newScene(t)
			s.health.Called(health.Call{Op: health.OpJWKS, Reason: dcr.Unreachable})
			s.health.Called(health.Call{Op: health.OpToken, Status: 401, Reason: dcr.TokenRefused})
			s.about.DryRun = true
			s.add(t, s.clientOf(1, dcr.Pending), s.clientOf(2, dcr.Ready))
			return s
		},
		"empty": func(t testing.TB) *scene { return newScene(t) },
		"hostile": func(t testing.TB) *scene {
			s := newScene(t)
			s.works(t)
			s.about.Tenant, s.about.Audience = hostile, hostile
			for n := range 4 {
				r := s.clientOf(n, []dcr.Phase{dcr.Blocked, dcr.Ready, dcr.Refused, dcr.Pending}[n])
				r.Name, r.Message, r.Callbacks = hostile, hostile, []string{"javascript:alert(1)", "https://x.example/" + hostile}
				r.Plan = []dcr.Change{{Step: dcr.StepPromote, Before: map[string]any{hostile: hostile}, After: map[string]any{"x": []string{hostile}, "y": map[string]any{"z": hostile}}}}
				s.add(t, r)
			}
			wide := s.clientOf(7, dcr.Ready)
			wide.Name, wide.ClientID = strings.Repeat("w", 200), fmt.Sprintf("tpc_%0124d", 7)
			s.add(t, wide)
			return s
		},
		"many": func(t testing.TB) *scene {
			s := newScene(t)
			s.works(t)
			const n = 100_000
			records := make([]dcr.Record, n)
			for i := range records {
				phase := dcr.Ready
				if i%50 == 7 {
					phase = dcr.Blocked
				}
				records[i] = s.clientOf(i, phase)
				records[i].FirstSeenAt = s.now.Add(-time.Duration(i) * time.Second)
			}
			s.sweep(t, records)
			return s
		},
	}
}

// TestLook serves every state, to look at it in a browser, where GRANTD_LOOK is
// the first of as many ports: GRANTD_LOOK=9000 go test -run TestLook ./internal/http.
func TestLook(t *testing.T) {
	var port int
	if _, err := fmt.Sscan(os.Getenv("GRANTD_LOOK"), &port); err != nil {
		t.Skip("GRANTD_LOOK names no port")
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	all := scenes()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		s, err := http.Listen(ctx, fmt.Sprintf("127.0.0.1:%d", port+i), http.ServerOptions{Handler: all[name](t).handler(), Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		run(t, s)
		fmt.Printf("http://%s/ %s\n", s.Addr(), name)
	}
	<-ctx.Done()
}
