package feed_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
)

// sapi is a Management API call in the log. Empty bodies are left out.
func sapi(method, path, request, response string) string {
	return describedSAPI("", method, path, request, response)
}

func describedSAPI(description, method, path, request, response string) string {
	req := fmt.Sprintf(`"method":%q,"path":%q`, method, path)
	if request != "" {
		req += `,"body":` + request
	}
	res := `"statusCode":200`
	if response != "" {
		res += `,"body":` + response
	}
	return fmt.Sprintf(`{"type":"sapi","log_id":"L","date":"2026-09-01T10:00:00.123Z","description":%q,"client_id":"caller","details":{"request":{%s},"response":{%s}}}`, description, req, res)
}

// The published samples of log streams.
const (
	createClient = `{"log_id":"90020211103020611966106762909211229137199648175879618642","data":{"date":"2021-11-03T02:06:06.888Z","type":"sapi","description":"Create aclient",
 "client_id":"360yuN1BXP4u3tBChK5VOgekgGJ7CwLL","client_name":"","ip":"35.167.74.121","user_agent":"Mozilla/5.0 (…)",
 "details":{"accessedSecrets":["client_secret"],
  "request":{"method":"post","path":"/api/v2/clients","query":{},"userAgent":"Mozilla/5.0 (…)",
   "body":{"name":"My Test App","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_post","app_type":"non_interactive","is_first_party":true,"oidc_conformant":true,"jwt_configuration":{"lifetime_in_seconds":36000,"alg":"RS256"}},
   "channel":"https://manage.auth0.com/","ip":"35.167.74.121","auth":{"user":{"user_id":"auth0|6181","name":"Jane","email":"jane@example.com"},"strategy":"jwt","credentials":{"jti":"08eb25a1ae7ae2bea404571e84634806"}}},
  "response":{"statusCode":201,"body":{"client_secret":"REDACTED","name":"My Test App","client_id":"OjVPkOH645QsMFPitAEmQOx2J7NcAYCZ","grant_types":["client_credentials"],"app_type":"non_interactive","is_first_party":true,"refresh_token":{"expiration_type":"non-expiring"}}}},
 "user_id":"auth0|6181ce2b0f293a006d158194","log_id":"90020211103020611966106762909211229137199648175879618642"}}`

	deleteOrganization = `{"_id":"90020230602105804570299000000000000001223372045029304536","log_id":"90020230602105804570299000000000000001223372045029304536","date":"2023-06-02T10:57:59.449Z","type":"sapi","description":"Delete organization","connection":null,"connection_id":null,"client_id":"naTYUHwINwCEtmhj8umEL7bHoB57L5e2","client_name":"","ip":"…","hostname":null,
 "details":{"request":{"auth":{"credentials":{},"strategy":"jwt","user":{}},"body":{},"channel":"api","ip":"2a02:1::1","method":"delete","path":"/api/v2/organizations/org_kUlZkhnQWYKaYljn","query":{},"userAgent":"Go-Auth0-SDK/latest"},"response":{"body":{},"statusCode":204}},
 "user_id":null,"user_name":null,"audience":null,"strategy":null,"strategy_type":null,"isMobile":false,"location_info":null}`

	dynamic = `{"log_id":"900","data":{"date":"2026-09-01T10:00:00.123Z","type":"sapi","description":"Dynamic client registration","client_id":null,"client_name":"","ip":"20.161.0.1","user_agent":"python-httpx/0.27",
 "tenant_name":"acme","environment_name":"prod-us-1","$event_schema":{"version":"1.0.0"},"references":{"correlation_id":"corr-1","trace_id":"0af7651916cd43dd8448eb211c80319c"},
 "details":{"request":{"method":"post","path":"/oidc/register","query":{},"channel":"…","ip":"20.161.0.1","auth":{"credentials":{},"strategy":"…","user":{}},
   "body":{"client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc123"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"]}},
  "response":{"statusCode":201,"body":{"client_id":"tpc_vbc2Y77hGZfbhkSi7y3gTh","client_name":"ChatGPT","redirect_uris":["https://chatgpt.com/connector/oauth/abc123"],"token_endpoint_auth_method":"none"}}},"log_id":"900"}}`

	denied = `{"type":"f","log_id":"D","date":"2026-09-01T10:00:00.123Z","ip":"2001:DB8::1","client_id":"tpc_1","description":"Client \"tpc_1\" is not authorized to access resource server \"https://gw.example.com/mcp\".","details":{"error":{"message":"x"},"qs":{"client_id":"tpc_2"}}}`
)

func TestClassifySamples(t *testing.T) {
	at := time.Date(2026, 9, 1, 10, 0, 0, 123e6, time.UTC)
	tests := []struct {
		name, entry string
		want        []dcr.Sighting
	}{
		{"create a client", createClient, []dcr.Sighting{{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: "OjVPkOH645QsMFPitAEmQOx2J7NcAYCZ", Registration: dcr.RegistrationUnknown,
			LogID: "90020211103020611966106762909211229137199648175879618642", At: time.Date(2021, 11, 3, 2, 6, 6, 888e6, time.UTC),
			Name: "My Test App", Actor: dcr.Actor{Kind: dcr.ActorUser, ID: "auth0|6181"}, SourceIP: "35.167.74.121",
		}}},
		{"delete an organization", deleteOrganization, nil},
		{"dynamic registration", dynamic, []dcr.Sighting{{
			Kind: dcr.Registered, Class: dcr.Urgent, ClientID: "tpc_vbc2Y77hGZfbhkSi7y3gTh", Registration: dcr.RegistrationDCR,
			LogID: "900", At: at, Name: "ChatGPT", Callbacks: []string{"https://chatgpt.com/connector/oauth/abc123"},
			SourceIP: "20.161.0.1", CorrelationID: "corr-1",
		}}},
		{"denied", denied, []dcr.Sighting{{
			Kind: dcr.Denied, Class: dcr.Urgent, ClientID: "tpc_1", LogID: "D", At: at, Audience: "https://gw.example.com/mcp", SourceIP: "2001:db8::1",
		}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := feed.Classify([]byte(tt.entry), now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// gist is what sightings are about: kind:thing, separated by spaces.
func gist(sightings []dcr.Sighting, err error) string {
	var parts []string
	for _, s := range sightings {
		part := string(s.Kind) + ":" + s.ClientID
		for prefix, id := range map[string]string{"grant/": s.GrantID, "connection/": s.ConnectionID, "api/": s.APIID} {
			if id != "" {
				part += prefix + id
			}
		}
		if s.Kind == dcr.Registered {
			part += "/" + string(s.Registration)
		}
		parts = append(parts, part)
	}
	if err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, " ")
}

func TestClassifyKinds(t *testing.T) {
	const (
		notID    = "not a client id"
		notOther = "not an id"
		shape    = "details missing or of the wrong type"
		contra   = "contradictory client ids"
		body     = `{"client_id":"new","name":"x"}`
	)
	tests := []struct{ name, entry, want string }{
		{"dcr", sapi("post", "/oidc/register", "", body), "registered:new/dcr"},
		{"dcr, upper-case method", sapi("POST", "/oidc/register", "", body), "registered:new/dcr"},
		{"dcr by description", describedSAPI("Dynamic Client Registration", "", "", "", body), "registered:new/dcr"},
		{"dcr by description before path", describedSAPI("dynamic client registration", "post", "/api/v2/clients", "", body), "registered:new/dcr"},
		{"dcr without an id", sapi("post", "/oidc/register", body, `{"name":"x"}`), notID},
		{"dcr without an answer", sapi("post", "/oidc/register", body, ""), notID},
		{"dcr with a null id", sapi("post", "/oidc/register", body, `{"client_id":null}`), notID},
		{"dcr with a number", sapi("post", "/oidc/register", body, `{"client_id":5}`), notID},
		{"dcr with a path", sapi("post", "/oidc/register", "", `{"client_id":"../../users"}`), notID},
		{"dcr with a long id", sapi("post", "/oidc/register", "", `{"client_id":"`+strings.Repeat("x", 129)+`"}`), notID},
		{"dcr with 10 kB", sapi("post", "/oidc/register", "", `{"client_id":"`+strings.Repeat("x", 10<<10)+`"}`), notID},
		{"dcr with percent", sapi("post", "/oidc/register", "", `{"client_id":"a%2Fb"}`), notID},
		{"dcr with Unicode", sapi("post", "/oidc/register", "", `{"client_id":"tpc_é"}`), notID},
		{"dcr with a zero", sapi("post", "/oidc/register", "", `{"client_id":"tpc_\u0000"}`), notID},
		{"dcr with an escaped letter", sapi("post", "/oidc/register", "", `{"client_id":"tpc_\u0041"}`), "registered:tpc_A/dcr"},
		{"dcr, list", sapi("post", "/oidc/register", "", `[]`), shape},
		{"get", sapi("get", "/oidc/register", "", body), ""},
		{"cimd", sapi("post", "/api/v2/clients/cimd/register", `{"external_client_id":"https://x"}`, body), "registered:new/cimd"},
		{"cimd preview", sapi("post", "/api/v2/clients/cimd/preview", `{}`, body), ""},
		{"create", sapi("post", "/api/v2/clients", "", body), "registered:new/unknown"},
		{"create, slash", sapi("post", "/api/v2/clients/", "", body), "registered:new/unknown"},
		{"create, the request's id", sapi("post", "/api/v2/clients", `{"client_id":"asked"}`, `{}`), notID},
		{"rotate secret", sapi("post", "/api/v2/clients/c1/rotate-secret", "", body), ""},

		{"update", sapi("patch", "/api/v2/clients/c1", "", ""), "changed:c1"},
		{"update, same id", sapi("patch", "/api/v2/clients/c1", "", `{"client_id":"c1"}`), "changed:c1"},
		{"update, other id", sapi("patch", "/api/v2/clients/c1", "", `{"client_id":"c2"}`), contra},
		{"update, odd id", sapi("patch", "/api/v2/clients/c1", "", `{"client_id":[]}`), contra},
		{"update, percent", sapi("patch", "/api/v2/clients/c1%2Fc2", "", ""), notID},
		{"update, dots", sapi("patch", "/api/v2/clients/..", "", ""), notID},
		{"update, dots and more", sapi("patch", "/api/v2/clients/../users/x", "", ""), notID},
		{"update, none", sapi("patch", "/api/v2/clients//x", "", ""), notID},
		{"update, query", sapi("patch", "/api/v2/clients/c1?x=1", "", ""), notID},
		{"credentials", sapi("patch", "/api/v2/clients/c1/credentials/x", "", ""), ""},
		{"delete", sapi("delete", "/api/v2/clients/c1", "", "{}"), "deleted:c1"},
		{"delete, percent", sapi("delete", "/api/v2/clients/%2e%2e", "", "{}"), notID},
		{"delete all", sapi("delete", "/api/v2/clients", "", "{}"), ""},

		{"grant", sapi("post", "/api/v2/client-grants", `{"client_id":"asked"}`, `{"id":"cgr_1","client_id":"c1"}`), "changed:c1"},
		{"grant, no answer", sapi("post", "/api/v2/client-grants", `{"client_id":"c1","audience":"a"}`, ""), "changed:c1"},
		{"grant, odd client", sapi("post", "/api/v2/client-grants", `{"client_id":"c/1"}`, ""), notID},
		{"grant, odd answer", sapi("post", "/api/v2/client-grants", `{"client_id":"c1"}`, `{"client_id":"c/1"}`), notID},
		{"default grant", sapi("post", "/api/v2/client-grants", `{"default_for":"third_party_clients"}`, `{"id":"cgr_1"}`), "changed:grant/cgr_1"},
		{"grant of nobody", sapi("post", "/api/v2/client-grants", "", ""), ""},
		{"grant update", sapi("patch", "/api/v2/client-grants/cgr_1", "", `{"client_id":"c1"}`), "changed:c1"},
		{"grant update, no answer", sapi("patch", "/api/v2/client-grants/cgr_1", `{"scope":[]}`, ""), "changed:grant/cgr_1"},
		{"grant update, odd", sapi("patch", "/api/v2/client-grants/a%20b", "", ""), notOther},
		{"grant delete", sapi("delete", "/api/v2/client-grants/cgr_1", "", "{}"), "changed:grant/cgr_1"},
		{"grant organizations", sapi("delete", "/api/v2/client-grants/cgr_1/organizations", "", "{}"), ""},

		{"connection", sapi("patch", "/api/v2/connections/con_1", `{}`, `{"id":"con_1"}`), "changed:connection/con_1"},
		{"connection delete", sapi("delete", "/api/v2/connections/con_1", "", ""), "changed:connection/con_1"},
		{"connection, odd", sapi("patch", "/api/v2/connections/con 1", "", ""), notOther},
		{"connection's clients", sapi("patch", "/api/v2/connections/con_1/clients", `[{"client_id":"c1","status":true},{"client_id":"c2"},{"client_id":"c1"}]`, ""), "changed:c1 changed:c2"},
		{"connection's clients, no body", sapi("patch", "/api/v2/connections/con_1/clients", "", ""), "changed:connection/con_1"},
		{"connection's clients, none", sapi("patch", "/api/v2/connections/con_1/clients", "[]", ""), "changed:connection/con_1"},
		{"connection's clients, odd body", sapi("patch", "/api/v2/connections/con_1/clients", `{}`, ""), "changed:connection/con_1"},
		{"connection's clients, too many", sapi("patch", "/api/v2/connections/con_1/clients", "["+strings.Repeat(`{"client_id":"c1"},`, 50)+`{"client_id":"c2"}]`, ""), "changed:connection/con_1"},
		{"connection's clients, odd id", sapi("patch", "/api/v2/connections/con_1/clients", `[{"client_id":"c1"},{"client_id":"c/2"}]`, ""), notID},
		{"connection's clients, scalar", sapi("patch", "/api/v2/connections/con_1/clients", `["c1"]`, ""), notID},
		{"connection's keys", sapi("patch", "/api/v2/connections/con_1/keys", "", ""), ""},
		{"new connection", sapi("post", "/api/v2/connections", "", `{"id":"con_1"}`), "changed:connection/con_1"},
		{"new connection without an id", sapi("post", "/api/v2/connections", "", ""), ""},
		{"new api", sapi("post", "/api/v2/resource-servers", "", `{"id":"rs1","identifier":"https://gw"}`), "changed:api/rs1"},

		{"api", sapi("patch", "/api/v2/resource-servers/rs1", "", ""), "changed:api/rs1"},
		{"api by identifier", sapi("patch", "/api/v2/resource-servers/https%3A%2F%2Fgw", "", `{"id":"rs1","identifier":"https://gw"}`), "changed:api/rs1"},
		{"api by identifier, no answer", sapi("patch", "/api/v2/resource-servers/https%3A%2F%2Fgw", "", ""), notOther},
		{"api delete", sapi("delete", "/api/v2/resource-servers/rs1", "", ""), "changed:api/rs1"},

		{"elsewhere", sapi("post", "/api/v2/users", "", body), ""},
		{"a resembling path", sapi("post", "/api/v2/clients2", "", body), ""},
		{"a resembling path below", sapi("patch", "/api/v2/clientsx/c1", "", body), ""},
		{"another version", sapi("post", "/x/api/v2/clients", "", body), ""},
		{"refused", strings.Replace(sapi("post", "/oidc/register", "", body), "200", "400", 1), ""},
		{"status of four digits", strings.Replace(sapi("post", "/oidc/register", "", body), "200", "2000", 1), shape},
		{"status a string", strings.Replace(sapi("post", "/oidc/register", "", body), "200", `"200"`, 1), shape},
		{"status a fraction", strings.Replace(sapi("post", "/oidc/register", "", body), "200", `2.5`, 1), shape},
		{"no status", strings.Replace(sapi("post", "/oidc/register", "", body), "200", `null`, 1), shape},
		{"no details", `{"type":"sapi","description":"Dynamic client registration","client_id":"caller"}`, shape},
		{"no details, elsewhere", `{"type":"sapi","description":"Create a user","details":null}`, ""},
		{"odd details", `{"type":"sapi","details":"x"}`, shape},
		{"odd request", `{"type":"sapi","details":{"request":[]}}`, shape},
		{"not sapi", strings.Replace(sapi("post", "/oidc/register", "", body), "sapi", "fapi", 1), ""},
		{"repeated status", strings.Replace(sapi("post", "/oidc/register", "", body), `"statusCode":200`, `"statusCode":400,"status\u0043ode":200`, 1), "a member stands twice"},

		{"denied", denied, "denied:tpc_1"},
		{"denied, no client_id", strings.Replace(denied, `"client_id":"tpc_1"`, `"client_id":null`, 1), "denied:tpc_1"},
		{"denied, other client_id", strings.Replace(denied, `"client_id":"tpc_1"`, `"client_id":"tpc_2"`, 1), contra},
		{"denied, odd client_id", strings.Replace(denied, `"client_id":"tpc_1"`, `"client_id":7`, 1), notID},
		{"denied, odd client", strings.NewReplacer(`\"tpc_1\"`, `\"a/b\"`, `"client_id":"tpc_1"`, `"client_id":"a/b"`).Replace(denied), notID},
		{"denied, cimd", strings.Replace(denied, `\"tpc_1\"`, `\"https://claude.ai/meta\"`, 1), "denied:tpc_1"},
		{"denied, cimd alone", strings.NewReplacer(`\"tpc_1\"`, `\"https://claude.ai/meta\"`, `"client_id":"tpc_1"`, `"client_id":"https://claude.ai/meta"`).Replace(denied), notID},
		{"denied, cimd outside", strings.Replace(denied, `"client_id":"tpc_1"`, `"client_id":"https://claude.ai/meta"`, 1), "denied:tpc_1"},
		{"denied, no audience", strings.Replace(denied, `\"https://gw.example.com/mcp\"`, `\"\"`, 1), shape},
		{"denied, cut", strings.Replace(denied, `mcp\".`, `mcp`, 1), ""},
		{"denied, in details", strings.NewReplacer("description", "x", `"message":"x"`, `"message":"invalid_request: Client \"tpc_1\" is not authorized to access resource server \"a\""`).Replace(denied), "denied:tpc_1"},
		{"denied, as error", `{"type":"f","details":{"error":"Client \"c1\" is not authorized to access resource server \"a\""}}`, "denied:c1"},
		{"denied, as error_description", `{"type":"f","details":{"error":"invalid_request","error_description":"Client \"c1\" is not authorized to access resource server \"a\""}}`, "denied:c1"},
		{"denied, in what was asked", `{"type":"f","details":{"qs":{"x":"Client \"c1\" is not authorized to access resource server \"a\""}}}`, ""},
		{"another failure", `{"type":"f","description":"Unknown client: x","details":null}`, ""},
		{"failure of another type", strings.Replace(denied, `"f"`, `"fp"`, 1), ""},

		{"no object", `[]`, "not an object"},
		{"nothing", ` `, "not an object"},
		{"two", other + other, "not JSON"},
		{"cut", other[:10], "truncated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for form, entry := range map[string]string{"bare": tt.entry, "wrapped": wrapped(tt.entry)} {
				if form == "wrapped" && !strings.HasPrefix(tt.entry, "{") || tt.name == "two" && form == "wrapped" {
					continue
				}
				if got := gist(feed.Classify([]byte(entry), now)); got != tt.want {
					t.Errorf("%s: %q, want %q", form, got, tt.want)
				}
			}
		})
	}
}

func TestClassifyFlawIsAnError(t *testing.T) {
	if _, err := feed.Classify([]byte(sapi("post", "/oidc/register", "", `{"client_id":"a/b"}`)), now); !errors.Is(err, feed.BadClientID) {
		t.Errorf("error %v, want BadClientID", err)
	}
}
