package daemon

import (
	"testing"
	"time"

	"grantd/internal/config"
	"grantd/internal/dcr"
)

// How fast clients come is told by those of the last week whose time is known,
// and of a large ledger by a part of it.
func TestCensus(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	records := []dcr.Record{
		{RegisteredAt: ago(time.Hour), GrantID: "cgr_1", Registration: dcr.RegistrationDCR, SecurityMode: dcr.Permissive},
		{RegisteredAt: ago(2 * day), Registration: dcr.RegistrationDCR, SecurityMode: dcr.Strict},
		{FirstSeenAt: ago(time.Minute), FirstSeenFeed: dcr.FeedWebhook, Registration: dcr.RegistrationCIMD, SecurityMode: dcr.Strict},
		{FirstSeenAt: ago(time.Hour), FirstSeenFeed: dcr.FeedSweep, GrantID: "cgr_2"},                  // nobody knows when it came
		{RegisteredAt: ago(time.Hour), Phase: dcr.Gone},                                                // takes no room
		{RegisteredAt: ago(30 * day), FirstSeenFeed: dcr.FeedWebhook, GrantID: "cgr_3"},                // long ago
		{RegisteredAt: ago(6 * day), FirstSeenFeed: dcr.FeedSweep, GrantID: "cgr_4", Phase: dcr.Ready}, // a sweep found it first
		{},
	}
	c := census{now: now, began: now}
	for _, r := range records {
		c.add(r)
	}
	clients, grants := c.perDay(len(records) * 7)
	if clients != 4 || grants != 2 || c.mode != dcr.Permissive {
		t.Errorf("%v clients and %v grants a day, mode %s", clients, grants, c.mode)
	}
	young := census{now: now, began: now}
	if clients, grants := young.perDay(0); clients != 0 || grants != 0 {
		t.Errorf("an empty ledger grows by %v and %v", clients, grants)
	}
	young.add(records[0])
	if clients, _ := young.perDay(1); clients != 1 {
		t.Errorf("one client in the first hour is %v a day", clients)
	}
}

// Documents are looked for of those that the allow-list lets in.
func TestDocuments(t *testing.T) {
	for want, allowed := range map[int][]string{0: {"https://a.example/cb", "mcp-inspector"}, 1: {"chatgpt"}, 2: {"claude"}, 3: {"any"}} {
		if got := documents(&config.Config{AllowedClients: allowed}); len(got) != want {
			t.Errorf("%q: %v", allowed, got)
		}
	}
}
