package cli

import "testing"

func TestStart(t *testing.T) {
	for file, want := range map[string]string{
		"":                        "grantd serve FLAG",
		"grantd.env":              "grantd serve FLAG",
		"/home/me/grantd.env":     "grantd serve FLAG",
		"/etc/grantd/.env":        "grantd serve FLAG",
		"/etc/grantd/notes":       "grantd serve FLAG",
		"/etc/grantd/grantd.env":  "sudo systemctl restart grantd",
		"/etc/grantd/notes-2.env": "sudo systemctl restart grantd@notes-2",
	} {
		if got := start(file, " FLAG"); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
