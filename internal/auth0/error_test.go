package auth0_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

func problem(status, code, message string) string {
	return `{"statusCode":` + status + `,"error":"Some Name","message":"` + message + `","errorCode":"` + code + `"}`
}

// Every answer but a 2xx is an *Error of one reason, without a wait.
func TestStatusErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		header map[string]string
		want   auth0.Error
		is     error
	}{
		{name: "validation", status: 400, body: problem("400", "invalid_body", "Payload validation error: 'x' on property y."),
			want: auth0.Error{Code: "invalid_body", Message: "Payload validation error: 'x' on property y.", Reason: dcr.RejectedByAuth0}},
		{name: "scopes", status: 400, body: problem("400", "invalid_body", "Payload validation error: scope must be a subset of resource server scopes"),
			want: auth0.Error{Code: "invalid_body", Message: "Payload validation error: scope must be a subset of resource server scopes", Reason: dcr.ScopesRejected}},
		{name: "no code", status: 400, body: `{"statusCode":400,"error":"Bad Request","message":"no"}`,
			want: auth0.Error{Message: "no", Reason: dcr.RejectedByAuth0}},
		{name: "scope", status: 403, body: problem("403", "insufficient_scope", "Insufficient scope, expected any of: update:client_grants,create:client_grants"),
			want: auth0.Error{Code: "insufficient_scope", Message: "Insufficient scope, expected any of: update:client_grants,create:client_grants", Reason: dcr.MissingScope, Scope: "update:client_grants,create:client_grants"}},
		{name: "scope without code", status: 403, body: problem("403", "", "Insufficient scope, expected any of: read:clients"),
			want: auth0.Error{Message: "Insufficient scope, expected any of: read:clients", Reason: dcr.MissingScope, Scope: "read:clients"}},
		{name: "entitlement", status: 403, body: problem("403", "insufficient_entitlement", "Please upgrade"),
			want: auth0.Error{Code: "insufficient_entitlement", Message: "Please upgrade", Reason: dcr.RejectedByAuth0}},
		{name: "limit", status: 403, body: problem("403", "too_many_entities", "You reached the limit of entities of this type for this tenant."),
			want: auth0.Error{Code: "too_many_entities", Message: "You reached the limit of entities of this type for this tenant.", Reason: dcr.LimitReached}},
		{name: "not found", status: 404, body: problem("404", "inexistent_client", "The client does not exist"),
			want: auth0.Error{Code: "inexistent_client", Message: "The client does not exist", Reason: dcr.RejectedByAuth0}, is: auth0.ErrNotFound},
		{name: "conflict", status: 409, body: problem("409", "", "A client grant already exists between a and b"),
			want: auth0.Error{Message: "A client grant already exists between a and b", Reason: dcr.RejectedByAuth0}, is: auth0.ErrConflict},
		{name: "unprocessable", status: 422, body: `[]`,
			want: auth0.Error{Message: "Unprocessable Entity", Reason: dcr.RejectedByAuth0}},
		{name: "rate", status: 429, body: problem("429", "too_many_requests", "Global limit has been reached"), header: map[string]string{"Retry-After": "7"},
			want: auth0.Error{Code: "too_many_requests", Message: "Global limit has been reached", Reason: dcr.RateLimited, RetryAfter: 7 * time.Second}},
		{name: "rate until reset", status: 429, body: `{}`, header: map[string]string{"X-RateLimit-Reset": "946684804"},
			want: auth0.Error{Message: "Too Many Requests", Reason: dcr.RateLimited, RetryAfter: 4 * time.Second}},
		{name: "HTML", status: 502, body: "<html><body><h1>502 Bad Gateway</h1></body></html>",
			want: auth0.Error{Message: "Bad Gateway", Reason: dcr.ServerError}},
		{name: "maintenance", status: 503, body: "", header: map[string]string{"Retry-After": "120"},
			want: auth0.Error{Message: "Service Unavailable", Reason: dcr.ServerError, RetryAfter: 2 * time.Minute}},
		{name: "request timeout", status: 408, body: "",
			want: auth0.Error{Message: "Request Timeout", Reason: dcr.Timeout}},
		{name: "redirect", status: 302, body: "", header: map[string]string{"Location": "https://evil.example/"},
			want: auth0.Error{Message: "Found", Reason: dcr.BadResponse}},
		{name: "odd types", status: 400, body: `{"message":{"a":1},"errorCode":7,"error":[]}`,
			want: auth0.Error{Message: "Bad Request", Reason: dcr.RejectedByAuth0}},
		{name: "control characters", status: 400, body: `{"message":"a\u001b[31m\nb\u202ec\u0000"}`,
			want: auth0.Error{Message: "a\ufffd[31m b\ufffdc\ufffd", Reason: dcr.RejectedByAuth0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{API: func(w http.ResponseWriter, _ *http.Request) {
					for k, v := range tt.header {
						w.Header().Set(k, v)
					}
					respond(w, tt.status, tt.body)
				}}
				start := time.Now()
				_, err := open(t, s).Client(t.Context(), clientID)
				if took := time.Since(start); took > 0 {
					t.Errorf("took %v", took)
				}
				var got *auth0.Error
				if !errors.As(err, &got) {
					t.Fatalf("error %v", err)
				}
				tt.want.Op, tt.want.Status = "get_client", tt.status
				if diff := cmp.Diff(tt.want, *got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, target := range []error{auth0.ErrNotFound, auth0.ErrConflict} {
					if errors.Is(err, target) != errors.Is(tt.is, target) {
						t.Errorf("errors.Is(err, %v) = %v", target, errors.Is(err, target))
					}
				}
				if n := len(s.seen()); n != 1 {
					t.Errorf("%d requests, want 1", n)
				}
			})
		})
	}
}

func TestErrorSaysWhatToDo(t *testing.T) {
	err := &auth0.Error{Op: "update_client_grant", Status: 403, Code: "insufficient_scope", Reason: dcr.MissingScope, Scope: "update:client_grants", Message: "Insufficient scope, expected any of: update:client_grants"}
	if got := err.Error(); got != "update client grant: missing_scope (403 insufficient_scope): Insufficient scope, expected any of: update:client_grants" {
		t.Errorf("Error() = %q", got)
	}
	if got := err.Hint(); strings.Contains(got, "update:client_grants") || !strings.Contains(got, "Auth0 Management API") {
		t.Errorf("Hint() = %q", got)
	}
	refused := &auth0.Error{Op: "update_client", Status: 400, Reason: dcr.RejectedByAuth0, Message: "It is so."}
	hinted := auth0.Hinted(fmt.Errorf("sync: %w", refused))
	if got := hinted.Error(); got != "sync: update client: rejected_by_auth0 (400): It is so. "+refused.Hint() || !errors.Is(hinted, refused) {
		t.Errorf("Hinted() = %q", got)
	}
	if got := auth0.Hinted(io.EOF); got.Error() != "EOF" {
		t.Errorf("Hinted() = %v", got)
	}
	if got := (&auth0.Error{Reason: "unheard"}).Hint(); got != "" {
		t.Errorf("Hint() = %q", got)
	}
}

// No secret comes out of an error, even if the tenant sends it back.
func TestErrorsKeepSecrets(t *testing.T) {
	s := &stub{}
	s.API = func(w http.ResponseWriter, r *http.Request) {
		respond(w, 400, `{"message":"token `+r.Header.Get("Authorization")+` is odd"}`)
	}
	_, err := open(t, s).Client(t.Context(), clientID)
	if err == nil || strings.Contains(err.Error(), "eyJ-token") {
		t.Errorf("error %v", err)
	}
	s = &stub{status: 403, answer: `{"error":"access_denied","error_description":"` + secret + ` is wrong"}`}
	_, err = open(t, s).Client(t.Context(), clientID)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add(403, []byte(problem("403", "insufficient_scope", "Insufficient scope, expected any of: read:clients")))
	f.Add(429, []byte(`{"error":"access_denied","error_description":"Global limit has been reached"}`))
	f.Add(502, []byte("<html>"))
	f.Add(400, []byte("{\"message\":\"\xff\u202e\"}"))
	f.Add(200, []byte(`null`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 || status == 401 {
			t.Skip()
		}
		s := &stub{API: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(body)
		}}
		c := open(t, s)
		errs := map[string]error{}
		call := func(name string, fn func(context.Context) error) { errs[name] = fn(t.Context()) }
		call("client", func(ctx context.Context) error { _, err := c.Client(ctx, clientID); return err })
		call("grant", func(ctx context.Context) error { _, _, err := c.UserGrant(ctx, clientID, audience); return err })
		for name, err := range errs {
			if status >= 300 && err == nil {
				t.Errorf("%s: no error for status %d", name, status)
			}
			if err == nil {
				continue
			}
			var e *auth0.Error
			if !errors.As(err, &e) || e.Reason == "" {
				t.Fatalf("%s: %v", name, err)
			}
			if msg := err.Error(); len(msg) > 600 || !utf8.ValidString(msg) || strings.ContainsAny(msg, "\n\r\x1b") {
				t.Errorf("%s: message %q", name, msg)
			}
			if status == http.StatusTooManyRequests {
				break // the budget waits now
			}
		}
	})
}
