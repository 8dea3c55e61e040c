package tenantsim

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Actor is who calls the Management API.
type Actor struct {
	ClientID  string // the application that calls; what a log entry has as client_id
	UserID    string // set for a user of the dashboard
	UserName  string
	UserEmail string

	IP            string
	UserAgent     string
	CorrelationID string
}

// Admin is a person at the dashboard.
func Admin() Actor {
	return Actor{
		ClientID: "gCsOX4KgJwnDQ2mSRzl0nCUqvFFnYPSx", UserID: "auth0|6181ce2b0f293a006d158194", UserName: "Alex Admin",
		UserEmail: "alex@example.com", IP: "203.0.113.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
	}
}

// App is another machine-to-machine application.
func App(clientID string) Actor {
	return Actor{ClientID: clientID, IP: "198.51.100.20", UserAgent: "Go-http-client/1.1"}
}

// Do makes a Management API call as the actor, such as
//
//	tenant.Do(tenantsim.Admin(), "PATCH", "/api/v2/clients/"+id, map[string]any{"app_type": "spa"})
//
// It is logged as such a call is, but needs no scope, takes no part in rate
// limits and faults, and is not among the Calls. body becomes JSON unless it
// is nil; the path may have a query.
func (t *Tenant) Do(as Actor, method, path string, body any) (status int, answer []byte) {
	path, query, _ := strings.Cut(path, "?")
	target, err := http.NewRequestWithContext(t.ctx, method, "https://"+t.domain+path+"?"+query, nil)
	if err != nil {
		return http.StatusBadRequest, []byte(err.Error())
	}
	r := &request{method: method, path: target.URL.Path, query: target.URL.Query(), header: target.Header, base: "https://" + t.domain, actor: as, super: true}
	if body != nil {
		if r.body, err = json.Marshal(body); err != nil {
			return http.StatusBadRequest, []byte(err.Error())
		}
	}
	r.route, r.vars = t.match(method, target.URL.EscapedPath())
	if r.route == nil || r.route.public {
		return http.StatusNotFound, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	res := t.watched(r)
	return res.status, res.body
}

// maxCorrelation is where a correlation id is cut, in bytes.
const maxCorrelation = 64

// logWrite writes the sapi entry of a successful write.
// https://auth0.com/docs/deploy-monitor/logs
func (t *Tenant) logWrite(r *request, res response) {
	l := t.auditEntry(r, res, "sapi")
	if r.route.template == "/api/v2/connections/{id}/clients" && t.quirks.MembersDescription != "" {
		l.Description = t.quirks.MembersDescription
	}
	t.addLog(l)
}

// logFailure writes the fapi entry of a refused write.
func (t *Tenant) logFailure(r *request, res response, fail *Error) {
	l := t.auditEntry(r, res, "fapi")
	l.Description = fail.Message
	t.addLog(l)
}

// logSecretRead writes the entry of a read that gave a secret away.
func (t *Tenant) logSecretRead(r *request) {
	l := t.auditEntry(r, response{status: http.StatusOK, secrets: []string{"client_secret"}, body: []byte("{}")}, "mgmt_api_read")
	l.Description = "Get clients"
	t.addLog(l)
}

func (t *Tenant) auditEntry(r *request, res response, kind string) Log {
	user, channel := map[string]any{}, "api"
	if r.actor.UserID != "" {
		user = map[string]any{"user_id": r.actor.UserID, "name": r.actor.UserName, "email": r.actor.UserEmail}
		channel = "https://manage.auth0.com/"
	}
	credentials := map[string]any{}
	if r.actor.ClientID != "" {
		credentials["jti"] = t.hex(32)
	}
	status := res.status
	if r.route.public && t.quirks.RegisterLogStatus != 0 {
		status = t.quirks.RegisterLogStatus
	}
	details := map[string]any{
		"request": map[string]any{
			"method": strings.ToLower(r.method), "path": r.path, "query": map[string]any{}, "userAgent": r.actor.UserAgent,
			"body": orEmpty(r.body), "channel": channel, "ip": r.actor.IP,
			"auth": map[string]any{"user": user, "strategy": "jwt", "credentials": credentials},
		},
		"response": map[string]any{"statusCode": status, "body": res.forLog()},
	}
	if len(res.secrets) > 0 {
		details["accessedSecrets"] = res.secrets
	}
	correlation := r.actor.CorrelationID
	if len(correlation) > maxCorrelation {
		correlation = correlation[:maxCorrelation]
		for !utf8.ValidString(correlation) && len(correlation) > maxCorrelation-utf8.UTFMax {
			correlation = correlation[:len(correlation)-1]
		}
	}
	return Log{
		Type: kind, Description: r.route.description, ClientID: r.actor.ClientID, UserID: r.actor.UserID,
		UserName: r.actor.UserName, IP: r.actor.IP, UserAgent: r.actor.UserAgent, Details: details,
		CorrelationID: correlation, Auth0Client: echoClient(r.header),
	}
}

// forLog is the body as the log keeps it.
func (r *response) forLog() any {
	if r.logBody != nil {
		return r.logBody
	}
	return orEmpty(r.body)
}

// orEmpty is the JSON in b, or an empty object.
func orEmpty(b []byte) any {
	if !json.Valid(b) {
		return map[string]any{}
	}
	return json.RawMessage(b)
}

// echoClient reads the caller's Auth0-Client header, JSON in base64.
func echoClient(h http.Header) any {
	raw, err := base64.StdEncoding.DecodeString(h.Get("Auth0-Client"))
	if err != nil || !json.Valid(raw) {
		return nil
	}
	return json.RawMessage(raw)
}
