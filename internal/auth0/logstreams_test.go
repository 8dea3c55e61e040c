package auth0_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
	"grantd/internal/tenantsim"
)

// A stream is told by name, state and where it goes. What opens the door there
// stays with Auth0.
func TestLogStreams(t *testing.T) {
	tenant, _, _ := crowd(t, 0, tenantsim.Options{})
	c := of(t, tenant)
	if got, err := c.LogStreams(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	s := tenant.AddLogStream(tenantsim.LogStream{
		URL:           "https://s3cret-user:s3cret-word@hook.example:8443/auth0-log%20webhook?token=s3cret-query#s3cret",
		Authorization: "Bearer s3cret-token", Headers: map[string]string{"X-Key": "s3cret-header"},
		Delivery: tenantsim.Delivery{Manual: true},
	})
	want := dcr.LogStream{ID: s.ID(), Name: "webhook", Type: "http", Endpoint: "https://hook.example:8443/auth0-log%20webhook",
		ContentFormat: "JSONLINES", Credentials: [][32]byte{sha256.Sum256([]byte("s3cret-token"))}}
	for status, change := range map[string]func(){"active": s.Resume, "paused": s.Pause, "suspended": s.Suspend} {
		change()
		want.Status = status
		got, err := c.LogStreams(t.Context())
		if diff := cmp.Diff([]dcr.LogStream{want}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if shown := fmt.Sprintf("%+v", got); strings.Contains(shown, "s3cret") {
			t.Error(shown)
		}
	}
}

// Streams to other places have sinks of their own, with secrets of their own.
func TestOtherLogStreams(t *testing.T) {
	const answer = `[
		{"id":"lst_1","name":"splunk","type":"splunk","status":"active","sink":{"splunkDomain":"s3cret.example","splunkToken":"s3cret","httpEndpoint":"https://s3cret.example/"}},
		{"id":"lst_2","name":"a\u001b[31m\nb","type":"http","status":"suspended","sink":{"httpEndpoint":"ftp://s3cret.example/"}},
		{"id":"lst_3","name":7,"type":"http","status":{},"sink":{"httpEndpoint":["s3cret"]}},
		{"id":"lst_4","type":"http","sink":{"httpEndpoint":"https://%zz/s3cret"}},
		{"id":"lst_5","type":"http","sink":null},
		{"id":"../s3cret"}, {"id":7}, {"id":"lst_6","sink":"s3cret"}, null, 7, "s3cret", []
	]`
	got, err := open(t, &stub{API: always(200, answer), scope: allScope + " read:log_streams"}).LogStreams(t.Context())
	if diff := cmp.Diff([]dcr.LogStream{
		{ID: "lst_1", Name: "splunk", Type: "splunk", Status: "active"},
		{ID: "lst_2", Name: "a\ufffd[31m b", Type: "http", Status: "suspended"},
		{ID: "lst_3", Type: "http"},
		{ID: "lst_4", Type: "http"},
		{ID: "lst_5", Type: "http"},
	}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, answer := range []string{`{}`, `null`, `7`, ``} {
		got, err := open(t, &stub{API: always(200, answer), scope: allScope + " read:log_streams"}).LogStreams(t.Context())
		if reasonOf(err) != dcr.BadResponse {
			t.Errorf("%s: %+v, error %v", answer, got, err)
		}
	}
}

// Where the scope is missing, neither a call nor ever a token is spent on it.
func TestLogStreamsWithoutScope(t *testing.T) {
	start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	var passed atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(passed.Load())) }
	tenant, _, _ := crowd(t, 0, tenantsim.Options{Now: now})
	tenant.SetScopes("own", strings.Fields(allScope)...)
	c := of(t, tenant, func(o *auth0.Options) { o.Now = now })
	for range 20 {
		_, err := c.LogStreams(t.Context())
		if e, ok := errors.AsType[*auth0.Error](err); !ok || e.Reason != dcr.MissingScope || e.Scope != "read:log_streams" {
			t.Fatalf("error %v", err)
		}
		passed.Add(int64(time.Hour))
	}
	if status := c.TokenStatus(); !status.OK || !status.NextTryAt.IsZero() {
		t.Errorf("%+v", status)
	}
	if calls, tokens := len(tenant.Calls()), len(tenant.TokenRequests()); calls != 0 || tokens != 1 {
		t.Errorf("%d calls, %d token requests", calls, tokens)
	}

	// The same when the token does not tell what it holds, and Auth0 refuses.
	tenant.SetScopes("own", append(strings.Fields(allScope), "read:log_streams")...)
	if err := c.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	tenant.FailNext(1, tenantsim.ScopeRemoved, tenant.On("GET /log-streams"))
	if _, err := c.LogStreams(t.Context()); reasonOf(err) != dcr.MissingScope {
		t.Errorf("error %v", err)
	}
	if status := c.TokenStatus(); !status.OK || !status.NextTryAt.IsZero() || len(tenant.TokenRequests()) != 2 {
		t.Errorf("%+v, %d token requests", status, len(tenant.TokenRequests()))
	}
	if _, err := c.LogStreams(t.Context()); err != nil {
		t.Error(err)
	}
}
