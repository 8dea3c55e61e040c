package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStart(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(here, "/etc/grantd/grantd.env")
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"":                        "grantd serve FLAG",
		"grantd.env":              "grantd serve FLAG",
		"/home/me/grantd.env":     "grantd serve FLAG",
		"/etc/grantd/.env":        "grantd serve FLAG",
		"/etc/grantd/notes":       "grantd serve FLAG",
		"/etc/grantd/grantd.env":  "sudo systemctl restart grantd",
		relative:                  "sudo systemctl restart grantd",
		"/etc/grantd/notes-2.env": "sudo systemctl restart grantd@notes-2",
	} {
		if got := start(file, " FLAG"); got != want {
			t.Errorf("%q: %q, want %q", file, got, want)
		}
	}
}
