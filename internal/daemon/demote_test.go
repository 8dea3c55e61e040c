package daemon

import (
	"log/slog"
	"testing"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/policy"
	"grantd/internal/reconcile"
)

// What waits in the background by the log alone: registrations in a storm, and
// those whose callbacks are not on the list.
func TestDemote(t *testing.T) {
	allowed, err := policy.Parse([]string{"chatgpt"})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := []string{"https://chatgpt.com/connector/oauth/a"}, []string{"https://evil.example.com/"}
	for name, tc := range map[string]struct {
		after int // -1: any registration is one too many
		s     dcr.Sighting
		want  bool
	}{
		"registered":          {20, dcr.Sighting{Kind: dcr.Registered, Callbacks: good}, false},
		"off the list":        {20, dcr.Sighting{Kind: dcr.Registered, Callbacks: bad}, true},
		"in a storm":          {-1, dcr.Sighting{Kind: dcr.Registered, Callbacks: good}, true},
		"a change in a storm": {-1, dcr.Sighting{Kind: dcr.Changed, Audience: "a"}, false},
		"of another API":      {20, dcr.Sighting{Kind: dcr.Changed, Audience: "b"}, true},
	} {
		e := &Engine{reconciler: reconcile.New(reconcile.Options{
			Logger: slog.New(slog.DiscardHandler), Settings: reconcile.Settings{StormAfter: tc.after},
		})}
		e.config.Store(&config.Config{Policy: allowed, Audience: "a"})
		if got := (&Daemon{Engine: e}).demote(tc.s); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
