package cli

import "testing"

// The metadata of a resource is served between its host and its path,
// by RFC 9728, section 3.1.
func TestMetadataURL(t *testing.T) {
	for resource, want := range map[string]string{
		"https://mcp.example.com":                  "https://mcp.example.com/.well-known/oauth-protected-resource",
		"https://mcp.example.com/":                 "https://mcp.example.com/.well-known/oauth-protected-resource",
		"https://mcp.example.com/mcp":              "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"https://mcp.example.com/mcp/":             "https://mcp.example.com/.well-known/oauth-protected-resource/mcp/",
		"https://mcp.example.com:8443/a/b":         "https://mcp.example.com:8443/.well-known/oauth-protected-resource/a/b",
		"https://mcp.example.com/mcp?tenant=a&b=c": "https://mcp.example.com/.well-known/oauth-protected-resource/mcp?tenant=a&b=c",
		"https://mcp.example.com?tenant=a":         "https://mcp.example.com/.well-known/oauth-protected-resource?tenant=a",
		"https://mcp.example.com/a%2Fb":            "https://mcp.example.com/.well-known/oauth-protected-resource/a%2Fb",
		"http://mcp.example.com/mcp":               "",
		"https://mcp.example.com/mcp#part":         "",
		"https://mcp.example.com/mcp#":             "",
		"https://user@mcp.example.com/mcp":         "",
		"urn:acme:notes":                           "",
		"notes":                                    "",
		"https:///mcp":                             "",
		"https://mcp.example.com/\x7f":             "",
		"":                                         "",
	} {
		got, ok := metadataURL(resource)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", resource, got, ok, want)
		}
	}
}

func TestMetadataOptions(t *testing.T) {
	for issuer, want := range map[string]string{
		"":                            "",
		"https://login.example.com":   "https://login.example.com/",
		"https://login.example.com/":  "https://login.example.com/",
		"http://login.example.com/":   "refused",
		"https://login.example.com/x": "refused",
		"https://login.example.com/?": "refused",
		"https://login.example.com/#": "refused",
		"https://a@login.example.com": "refused",
		"login.example.com":           "refused",
	} {
		o := metadataOptions{issuer: issuer}
		err := o.check()
		if (err != nil) != (want == "refused") || err == nil && o.issuer != want {
			t.Errorf("%q: %q, %v", issuer, o.issuer, err)
		}
	}
	for documentation, ok := range map[string]bool{"https://a.example/docs?x#y": true, "javascript:alert(1)": false, "docs": false, "https://u:p@a.example": false} {
		if err := (&metadataOptions{documentation: documentation}).check(); (err == nil) != ok {
			t.Errorf("%q: %v", documentation, err)
		}
	}
}
