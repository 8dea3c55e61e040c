package torture_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"grantd/internal/child"
	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/tenantsim"
)

// autopsy looks at the ledger that a dead grantd left: it passes its check,
// holds everything that was acknowledged, and where a write to Auth0 is not in
// its journal, the client is due, so that it is looked at again.
func (l *life) autopsy() {
	l.Helper()
	ledger, err := store.Open(l.Context(), store.Options{Path: l.ledger(), ReadOnly: true})
	acked := l.acknowledgements()
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && len(acked) == 0:
		return
	case errors.Is(err, store.ErrOlderSchema):
		l.migrateCopy()
		return
	default:
		l.fatalf("open the ledger of the dead: %v", err)
	}
	defer func() { _ = ledger.Close() }()
	if err := ledger.Check(l.Context()); err != nil && !l.unborn(ledger) {
		l.fatalf("%v", err)
	}
	records := l.records(ledger)
	for _, id := range acked {
		if _, ok := records[id]; !ok {
			l.tally.lost++
			l.fatalf("client %s was acknowledged and is lost", id)
		}
	}
	l.unjournal(ledger, records)
}

// unborn reports whether grantd was killed before it could say whose ledger it
// is, which the check would complain of.
func (l *life) unborn(ledger *store.Ledger) bool { return ledger.Prefix() == "" }

func (l *life) records(ledger *store.Ledger) map[string]dcr.Record {
	l.Helper()
	ids := l.acknowledgements()
	for id := range l.want {
		ids = append(ids, id)
	}
	records, err := ledger.Records(l.Context(), ids)
	l.must(err)
	return records
}

// migrateCopy checks what a ledger of an older version becomes; the next start
// does the same with the ledger itself.
func (l *life) migrateCopy() {
	l.Helper()
	path := filepath.Join(l.dir, "copy.db")
	defer func() { _ = os.Remove(path) }()
	l.must(duplicate(l.ledger(), path))
	ledger, err := store.Open(l.Context(), store.Options{Path: path, Tenant: domain, Audience: audience})
	l.must(err)
	if err := errors.Join(ledger.Check(l.Context()), ledger.Close()); err != nil {
		l.fatalf("after the migration: %v", err)
	}
}

func duplicate(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// unjournal finds the writes of which the ledger knows nothing.
func (l *life) unjournal(ledger *store.Ledger, records map[string]dcr.Record) {
	l.Helper()
	for after, more := "", true; more; {
		page, next, err := ledger.Journal(l.Context(), store.JournalQuery{Limit: 1000, After: after})
		l.must(err)
		for _, e := range page {
			l.journaled[e.CorrelationID+" "+e.ClientID] = true
			l.journaled[e.CorrelationID] = true
		}
		after, more = next, next != ""
	}
	dueBefore := l.due
	l.due = map[string]bool{}
	for id, r := range records {
		l.due[id] = !r.NextAttemptAt.IsZero()
	}
	for _, w := range l.writes() {
		if l.journaled[w.key] || l.unjournaled[w.key] {
			continue
		}
		// A request may reach Auth0 after the death of who sent it.
		late := w.call.At.Before(l.began) && dueBefore[w.client]
		if w.client != "" && !l.due[w.client] && !late {
			l.fatalf("%s %s, %s, is not in the journal, and client %s is not due", w.call.Method, w.call.Path, w.call.CorrelationID, w.client)
		}
		l.unjournaled[w.key] = true
		l.tally.unjournaled++
	}
}

// write is one that Auth0 accepted, of one client.
type write struct {
	call   tenantsim.Call
	client string // empty: of a connection
	key    string // in the journal
}

func (l *life) writes() []write {
	var all []write
	for _, c := range l.tenant.Writes() {
		if c.Status > 299 || c.Status == 0 {
			continue
		}
		var ids []string
		last := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		switch c.Operation {
		case "PATCH /clients/{id}":
			ids = []string{last}
		case "POST /client-grants":
			var body struct {
				ClientID string `json:"client_id"`
			}
			_ = json.Unmarshal(c.Body, &body) // it was accepted
			ids = []string{body.ClientID}
		case "PATCH /client-grants/{id}":
			ids = []string{l.owner(last)}
		case "PATCH /connections/{id}/clients":
			var body []struct {
				ClientID string `json:"client_id"`
			}
			_ = json.Unmarshal(c.Body, &body) // it was accepted
			for _, m := range body {
				ids = append(ids, m.ClientID)
			}
		case "PATCH /connections/{id}":
			all = append(all, write{c, "", c.CorrelationID})
		default:
			l.fatalf("an unexpected write: %s %s", c.Method, c.Path)
		}
		for _, id := range ids {
			if id != "" { // its grant is gone with it
				all = append(all, write{c, id, c.CorrelationID + " " + id})
			}
		}
	}
	return all
}

// owner is the client of a grant.
func (l *life) owner(grantID string) string {
	for id := range l.want {
		for _, g := range l.tenant.Grants(id) {
			if g.ID == grantID {
				return id
			}
		}
	}
	return ""
}

// converge waits until grantd has done all there is to do, and looks at what
// came of it.
func (l *life) converge() {
	l.Helper()
	var wrong string
	// Streams deliver one request after the other, so that everything before
	// this entry has arrived when it has and nothing waits.
	for _, s := range l.streams {
		s.Hold()
	}
	l.hook.await(l.tenant.AddLog(tenantsim.Log{Type: "sapi", Description: "Update tenant settings"})[0])
	for _, s := range l.streams {
		s.Release()
	}
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	if !child.Poll(ctx, func() bool {
		if l.dead() {
			wrong = "it ended by itself"
			return false
		}
		if l.hook.arrived() < len(l.streams) || l.streams[0].Pending()+l.streams[1].Pending() > 0 {
			wrong = "deliveries wait"
			return false
		}
		var h struct {
			Clients map[string]int
			Sweep   struct {
				LastSuccessAt *string `json:"last_success_at"`
			}
		}
		if err := l.daemon.Get(ctx, "http://"+l.daemon.Public+"/health/auth0", &h); err != nil {
			wrong = err.Error()
			return false
		}
		if h.Clients["pending"] > 0 || h.Sweep.LastSuccessAt == nil {
			wrong = fmt.Sprintf("%+v", h)
			return false
		}
		l.swept = true
		wrong = l.listing(ctx)
		return wrong == ""
	}) {
		l.fatalf("does not converge: %s", wrong)
	}
	l.verify()
}

// listing says what of the clients is not as it will be.
func (l *life) listing(ctx context.Context) string {
	phases := map[string]string{}
	var config struct {
		Digest string `json:"desired_digest"`
	}
	if err := l.daemon.Get(ctx, "http://"+l.daemon.Admin+"/api/v1/config", &config); err != nil {
		return err.Error()
	}
	for after := ""; ; {
		var page struct {
			Clients []child.Client
			Next    string
		}
		if err := l.daemon.Get(ctx, "http://"+l.daemon.Admin+"/api/v1/clients?limit=500&after="+after, &page); err != nil {
			return err.Error()
		}
		for _, c := range page.Clients {
			phases[c.ClientID] = c.Phase
			l.kept[c.ClientID] = c.Conditions["granted"].Reason == "not_adopted"
			if l.want[c.ClientID] == "ready" && c.Phase != "ready" {
				return fmt.Sprintf("client %s is %s: %s %s", c.ClientID, c.Phase, c.Reason, c.Message)
			}
			// A start serves before it has told the ledger of another configuration.
			if l.want[c.ClientID] == "ready" && c.Digest != config.Digest {
				return fmt.Sprintf("client %s is ready by %s, and %s is desired", c.ClientID, c.Digest, config.Digest)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for id, want := range l.want {
		if phases[id] != want {
			return fmt.Sprintf("client %s is %q, want %s", id, phases[id], want)
		}
	}
	for id := range l.untouched {
		if p := phases[id]; p != "" && p != "refused" {
			return fmt.Sprintf("client %s is %s, want refused", id, p)
		}
	}
	return ""
}

// verify holds the tenant against what it is to be.
func (l *life) verify() {
	l.Helper()
	connected := l.tenant.ConnectionClients(google)
	for id, want := range l.want {
		if want != "ready" {
			continue
		}
		c, _ := l.tenant.Client(id)
		if c.AppType != "regular_web" || c.TokenEndpointAuthMethod != "none" || !slices.Contains(c.GrantTypes, "refresh_token") {
			l.fatalf("client %s is ready, and %+v", id, c)
		}
		grants := l.tenant.Grants(id)
		if len(grants) != 1 {
			l.tally.duplicates++
			l.fatalf("client %s has %d grants", id, len(grants))
		}
		g := slices.Sorted(slices.Values(grants[0].Scopes))
		right := slices.Equal(g, l.scopes) || l.kept[id] && !slices.ContainsFunc(l.scopes, func(s string) bool { return !slices.Contains(g, s) })
		if !right || grants[0].SubjectType != tenantsim.SubjectUser {
			l.fatalf("client %s has the grant %+v, want %q", id, grants[0], l.scopes)
		}
		if !l.tenant.DomainLevel(google) && !slices.Contains(connected, id) {
			l.fatalf("client %s is ready, and its users cannot log in", id)
		}
	}
	created := map[string]int{}
	for _, w := range l.writes() {
		if _, no := l.untouched[w.client]; no {
			l.fatalf("%s %s: of a client that is not to be touched", w.call.Method, w.call.Path)
		}
		if w.call.Operation == "POST /client-grants" {
			if created[w.client]++; created[w.client] > 1 {
				l.tally.duplicates++
				l.fatalf("client %s was given %d grants", w.client, created[w.client])
			}
		}
	}
	for id, was := range l.untouched {
		is, _ := l.tenant.Client(id)
		if d := cmp.Diff(was, is, cmpopts.IgnoreUnexported(tenantsim.Client{})); d != "" || len(l.tenant.Grants(id)) > 0 && !was.FirstParty {
			l.fatalf("client %s was changed:\n%s", id, d)
		}
	}
	l.tidy()
}

// tidy: a crash leaves nothing in the state directory for ever.
func (l *life) tidy() {
	l.Helper()
	entries, err := os.ReadDir(l.state())
	l.must(err)
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "grantd.db", name == "token.json", name == "grantd.sock":
		case strings.HasPrefix(name, "grantd.db.schema-"): // kept on purpose, before a migration that goes on where a kill fell
		default:
			l.fatalf("%s was left in the state directory", name)
		}
	}
}

// conflicts counts the grants that Auth0 refused to create a second time.
func (l *life) conflicts() (n int) {
	for _, c := range l.tenant.Writes() {
		if c.Status == http.StatusConflict {
			n++
		}
	}
	return n
}
