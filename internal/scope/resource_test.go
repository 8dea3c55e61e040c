package scope_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"grantd/internal/scope"
)

// The resource is told as it stands, whichever it is; everything else is an
// error that tells no address.
func TestResource(t *testing.T) {
	tests := map[string]struct {
		status       int
		answer, want string
		fails        string
	}{
		"ours":       {200, `{"resource":"` + resource + `","scopes_supported":[]}`, resource, ""},
		"with slash": {200, `{"resource":"` + resource + `/"}`, resource + "/", ""},
		"no text":    {200, `{"resource":7}`, "", "no text"},
		"other case": {200, `{"Resource":"x"}`, "", "no text"},
		"null":       {200, `null`, "", "not a JSON object"},
		"a page":     {200, `<html>`, "", "not a JSON object"},
		"too long":   {200, `{"resource":"` + strings.Repeat("x", 100_000) + `"}`, "", "longer than"},
		"not there":  {404, ``, "", "status 404"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			}))
			got, err := scope.Resource(t.Context(), nil, server.URL+"/?k=s3cret")
			if got != tt.want || (err == nil) != (tt.fails == "") || err != nil && (!strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	elsewhere := serve(t, http.RedirectHandler((&url.URL{Scheme: "http", Host: "127.0.0.2:1"}).String(), http.StatusFound))
	for _, location := range []string{"http://mcp.example.com/", "ftp://127.0.0.1/", "://", elsewhere.URL} {
		if got, err := scope.Resource(t.Context(), nil, location); err == nil {
			t.Errorf("%s: %q", location, got)
		}
	}
}
