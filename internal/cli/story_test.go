package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	stories "grantd/internal/explain"
	"grantd/internal/policy"
)

// hostileStory has what plays tricks on a terminal in every text, as a daemon
// that is not ours could send it, and too much of it.
func hostileStory() stories.Story {
	evil := "\x1b[2J\x1b]0;owned\a\u009b31m\r\nroot\u202egpj\u200b" + strings.Repeat("A ", 5000)
	at := dcr.Timestamp{Time: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	condition := stories.Condition{Reason: dcr.Reason(evil), Message: evil, Since: at, Now: stories.Now{
		Known: true, Has: evil, Reason: dcr.Reason(evil), Message: evil,
		Missing: []dcr.Change{{Step: dcr.StepKind(evil), After: map[string]any{evil: evil}}},
	}}
	s := stories.Story{
		Schema: 1, ClientID: evil, Phase: dcr.Phase(evil), Summary: evil, CheckedAt: at, Auth0: stories.Existence(evil),
		Next: stories.Next{Who: stories.Who(evil), What: evil, Command: evil, When: at, Then: evil},
		Identity: stories.Identity{
			Name: evil, Registration: dcr.Registration(evil), SecurityMode: dcr.SecurityMode(evil), FirstSeenFeed: dcr.Feed(evil),
			Callbacks:    []stories.Callback{{URI: evil, Product: evil}},
			RegisteredAt: at, FirstSeenAt: at, ReadyAt: at, LastUsedAt: at, LastDeniedAt: at,
		},
		Conditions: stories.Conditions{Promoted: condition, Connected: condition, Granted: condition},
		Problems:   []stories.Problem{{What: evil, Reason: dcr.Reason(evil), Message: evil}},
	}
	for range 30 {
		s.Causes = append(s.Causes, stories.Cause{Code: stories.Code(evil), Text: evil, Evidence: []string{evil}, Fix: evil, Command: evil, Who: stories.Who(evil)})
		s.Denials = append(s.Denials, stories.Denial{At: at, Type: evil, Text: evil, Cause: stories.Code(evil), LogID: evil})
		s.Holds = append(s.Holds, stories.Held{Scope: dcr.HoldField, Field: dcr.StepKind(evil), Reason: dcr.Reason(evil), Since: at, Until: at, Release: evil})
		s.History = append(s.History, stories.Written{Seq: 7, At: at, Step: dcr.StepKind(evil), After: map[string]any{evil: evil}, Feed: dcr.Feed(evil)})
	}
	return s
}

func TestStoryIsHarmless(t *testing.T) {
	var b bytes.Buffer
	if err := printStory(&b, false, hostileStory(), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, b.String())
	if b.Len() > 1<<20 {
		t.Errorf("%d bytes", b.Len())
	}
	b.Reset()
	if err := printJSON(&b, hostileStory()); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, b.String())
	var back stories.Story
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hostileStory().Summary, back.Summary); diff != "" {
		t.Errorf("JSON changed a value: %s", diff)
	}
}

// A command is there to be pasted: all of it, or nothing.
func TestCommandsAreWhole(t *testing.T) {
	allowed, err := policy.Parse([]string{"chatgpt"})
	if err != nil {
		t.Fatal(err)
	}
	const head, end = "auth0 api patch 'x' --data '", "'"
	for middle, whole := range map[string]bool{
		strings.Repeat("a", 100): true, strings.Repeat("a", 6000): true, strings.Repeat("a", 20_000): false,
		"é": true, "a\u202eb": false, "a\u200bb": false, "a\nb": false,
	} {
		command := head + middle + end
		found := doctor.Finding{Code: doctor.RulesActive, Severity: doctor.Problem, Message: "It is so.", Fix: doctor.Fix{Command: command}}
		client := &dcr.Client{ID: "tpc_a", Callbacks: []string{"https://chatgpt.com/connector/oauth/a"}}
		story := stories.Tell(stories.Facts{ID: client.ID, Policy: allowed, Live: stories.Live{Client: client}, Findings: []doctor.Finding{found}})
		var told bytes.Buffer
		if err := printStory(&told, false, story, time.Now()); err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"story": told.String(), "report": describeReport(false, doctor.Report{Findings: []doctor.Finding{found}})} {
			if got := strings.Contains(text, command); got != whole || strings.Contains(text, head) != whole {
				t.Errorf("%s, %.20q: %.3000s", what, middle, text)
			}
		}
	}
}

// The verdict stands first, then what to do, then the evidence; nothing that
// could be broken is wider than a terminal.
func TestStoryOrder(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := stories.Tell(stories.Facts{
		Now: now, ID: "tpc_a", Live: stories.Live{Missing: true},
		Record:  &dcr.Record{ClientID: "tpc_a", Phase: dcr.Ready, Callbacks: []string{"https://chatgpt.com/connector/oauth/a"}, LastCheckedAt: now},
		Journal: []dcr.JournalEntry{{Seq: 1, Change: dcr.Change{Step: dcr.StepGrant, At: now, After: map[string]any{"scope": []string{"a"}}}}},
		Holds:   []dcr.Hold{{Scope: dcr.HoldAll, Reason: dcr.Held}},
	})
	var b bytes.Buffer
	if err := printStory(&b, false, s, now); err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, part := range []string{
		"tpc_a\nThe client was deleted in Auth0; whoever still uses its id is refused.\n\nWhat to do\n", "  Nothing, as long as nobody misses it",
		"\nWhy\n", "  client_deleted\n", "    - Auth0 answers 404", "\nWhat it needs to log in\n", "\nWho it is\n", "of preset chatgpt",
		"\nHeld\n", "  everything, held, until it is released; grantd hold release\n", "\nWhat grantd changed\n", "new, with a",
	} {
		i := strings.Index(b.String()[last:], part)
		if i < 0 {
			t.Fatalf("%q is not there, or not after what precedes it:\n%s", part, &b)
		}
		last += i
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
