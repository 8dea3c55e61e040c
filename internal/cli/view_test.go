package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	api "grantd/internal/http"
	"grantd/internal/reconcile"
)

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		want string
		dcr.Change
	}{
		{"new, with a b", dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"a", "b"}, "audience": "x"}}},
		{"new, with nothing", dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": []string{}}}},
		{"add c, take away a", dcr.Change{Step: dcr.StepGrant, Before: map[string]any{"id": "g", "scope": []string{"a", "b"}}, After: map[string]any{"id": "g", "scope": []string{"b", "c"}}}},
		{"take away a b", dcr.Change{Step: dcr.StepGrant, Before: map[string]any{"scope": []string{"a", "b"}}, After: map[string]any{"scope": []string{}}}},
		{"instead of every scope of the API a", dcr.Change{Step: dcr.StepGrant, Before: map[string]any{"allow_all_scopes": true}, After: map[string]any{"allow_all_scopes": false, "scope": []string{"a"}}}},
		{"app_type (empty) → regular_web, grant_types implicit → authorization_code refresh_token", dcr.Change{
			Step:   dcr.StepPromote,
			Before: map[string]any{"app_type": "", "grant_types": []string{"implicit"}},
			After:  map[string]any{"app_type": "regular_web", "grant_types": []string{"authorization_code", "refresh_token"}},
		}},
		{"enable google", dcr.Change{Step: dcr.StepConnect, Before: map[string]any{"connection": "google", "enabled": false}, After: map[string]any{"connection": "google", "enabled": true}}},
		{"promote google to domain level, for all third-party clients", dcr.Change{Step: dcr.StepDomainLevel, After: map[string]any{"connection": "google", "is_domain_connection": true}}},
		// What a daemon of another version may send.
		{`scope 7`, dcr.Change{Step: dcr.StepGrant, After: map[string]any{"scope": 7}}},
		{`x {"y":[1]}`, dcr.Change{Step: "new_step", After: map[string]any{"x": map[string]any{"y": []any{1}}}}},
		{"", dcr.Change{Step: dcr.StepPromote}},
	} {
		if diff := cmp.Diff(tt.want, describe(tt.Change)); diff != "" {
			t.Error(diff)
		}
		// The same when it comes from the daemon, as JSON.
		b, err := json.Marshal(tt.Change)
		if err != nil {
			t.Fatal(err)
		}
		var sent dcr.Change
		if err := json.Unmarshal(b, &sent); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, describe(sent)); diff != "" {
			t.Errorf("sent: %s", diff)
		}
	}
}

// hostilePlan has what plays tricks on a terminal in every text that comes from
// outside, and too much of it.
func hostilePlan() api.Plan {
	evil := "\x1b[2J\x1b]0;owned\a\u009b31m\r\nroot\u202egpj\u200b\U000e0041" + strings.Repeat("A", 5000)
	p := reconcile.TenantPlan{Sweep: reconcile.Sweep{Listed: 300, Due: 300, New: 300, Capped: true}}
	for i := range 300 {
		p.Clients = append(p.Clients, reconcile.Planned{
			ClientID: fmt.Sprint("tpc_", i), Name: evil, New: true,
			Remarks: []reconcile.Remark{{Reason: dcr.RejectedByAuth0, Message: fmt.Sprint(i, evil)}},
			Changes: []dcr.Change{
				{Step: dcr.StepGrant, Before: map[string]any{"scope": []string{evil}}, After: map[string]any{"scope": []any{fmt.Sprint(i%100, evil)}}},
				{Step: dcr.StepPromote, Before: map[string]any{evil: evil}, After: map[string]any{evil: map[string]any{evil: evil}}},
			},
		})
		p.LeftBehind = append(p.LeftBehind, reconcile.LeftBehind{ClientID: evil, GrantID: evil, Audience: evil, Scopes: []string{evil}, Reason: dcr.Reason(evil)})
	}
	return api.PlanView(p)
}

func wantHarmless(t *testing.T, out string) {
	t.Helper()
	for _, r := range out {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Fatalf("%U in the output", r)
		}
	}
}

func TestPlanIsHarmlessAndShort(t *testing.T) {
	var b bytes.Buffer
	if err := printPlan(&b, false, hostilePlan()); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, b.String())
	if n := strings.Count(b.String(), "\n"); n > 1000 {
		t.Errorf("%d lines", n)
	}
	if b.Len() > 1<<20 {
		t.Errorf("%d bytes", b.Len())
	}
	b.Reset()
	if err := printJSON(&b, hostilePlan()); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, b.String())
	var back api.Plan
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hostilePlan().Clients[299].Name, back.Clients[299].Name); diff != "" {
		t.Errorf("JSON changed a value: %s", diff)
	}
}

func TestSyncIsHarmless(t *testing.T) {
	evil := "\x1b[2J\u202e" + strings.Repeat("A", 5000)
	s := api.Synced{Left: []api.Left{{Phase: dcr.Phase(evil), Reason: dcr.Reason(evil), Message: evil, Clients: 2, ClientIDs: []string{evil}}}}
	var b bytes.Buffer
	if err := printSynced(&b, false, s); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, b.String())
}

// One of something is not many of it, and numbers stand in a column.
func TestNumbers(t *testing.T) {
	var b bytes.Buffer
	p := api.PlanView(reconcile.TenantPlan{Sweep: reconcile.Sweep{Listed: 1, New: 1, Due: 1}, Clients: []reconcile.Planned{
		{ClientID: "tpc_1", Changes: []dcr.Change{{Step: dcr.StepGrant, After: map[string]any{"scope": []string{"a"}}}}},
	}})
	if err := printPlan(&b, false, p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 client to change\n", "\n1 third-party client, 1 of them new, ", "\n  1 to change\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	tally(&b, false, []number{{12345, "ready", good}, {0, "pending", notice}, {7, "blocked", bad}})
	if diff := cmp.Diff("  12345 ready\n      7 blocked\n", b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	tally(&b, true, []number{{1, "ready", good}})
	if !strings.Contains(b.String(), "\x1b[32mready\x1b[0m") {
		t.Errorf("%q", b.String())
	}
}

// Where everything fits, no line is wider than a terminal.
func TestPlanFits(t *testing.T) {
	var b bytes.Buffer
	p := reconcile.TenantPlan{Sweep: reconcile.Sweep{Listed: 1000, Due: 30, New: 1000, Blocked: 1, Capped: true, NotAdopted: 3}}
	for i := range 30 {
		p.Clients = append(p.Clients, reconcile.Planned{
			ClientID: fmt.Sprintf("tpc_%022d", i), Name: "A product with quite a long name, as they are", New: true,
			Remarks: []reconcile.Remark{{Reason: dcr.NotAdopted, Message: "the grant was there before grantd and also holds notes:delete. grantd sync --adopt takes them away."}},
			Changes: []dcr.Change{{Step: dcr.StepGrant, Before: map[string]any{"scope": []string{}}, After: map[string]any{"scope": strings.Fields(strings.Repeat("notes:something ", 20))}}},
		})
	}
	if err := printPlan(&b, false, api.PlanView(p)); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}
