package http_test

import (
	"testing"

	"grantd/internal/http"
)

// TestCrossSite: what a page of another site makes a browser ask is refused,
// with and without a token, and no answer allows another site to read it.
func TestCrossSite(t *testing.T) {
	for name, tt := range map[string]struct {
		headers []string
		status  int
	}{
		"a program":                     {nil, 200},
		"typed in":                      {[]string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		"its own page":                  {[]string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:8081"}, 200},
		"its own page, behind a proxy":  {[]string{"Sec-Fetch-Site: same-origin", "Origin: https://grantd.example"}, 200},
		"its own page, an old browser":  {[]string{"Origin: http://LOCALHOST:8081"}, 200},
		"a link":                        {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 200},
		"fetch":                         {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: https://evil.example"}, 403},
		"script, image, EventSource":    {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		"a frame":                       {[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		"another port of the machine":   {[]string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Origin: http://localhost:3000"}, 403},
		"a word that does not exist":    {[]string{"Sec-Fetch-Site: elsewhere"}, 403},
		"an old browser":                {[]string{"Origin: https://evil.example"}, 403},
		"an old browser, a sandbox":     {[]string{"Origin: null"}, 403},
		"a name that begins the same":   {[]string{"Origin: http://localhost:8081.evil.example"}, 403},
		"a name that is only contained": {[]string{"Origin: http://evil.example/localhost:8081"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			for _, token := range []string{"", "admin-token"} {
				o, _ := adminOptions(t)
				o.Token = http.NewSecrets(token)
				headers := append([]string{"Host: localhost:8081"}, tt.headers...)
				if token != "" {
					headers = append(headers, "Authorization: Bearer "+token)
				}
				w := record(t, http.Admin(o), "GET", "/api/v1/clients", headers...)
				if w.Code != tt.status {
					t.Errorf("token %q: got %d %s, want %d", token, w.Code, w.Body, tt.status)
				}
				for header := range w.Header() {
					if len(header) > 14 && header[:14] == "Access-Control" {
						t.Errorf("%s is sent", header)
					}
				}
			}
		})
	}
}
