package torture_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// traits are what a life needs for a point to be come to.
type traits struct {
	permissive bool // clients need the connection for themselves
	promote    bool // grantd may promote the connection, which is not domain-level yet
	poll       bool // the log is polled
	crowd      bool // more third-party clients than Auth0 lists on one page
	old        bool // the ledger is one of the first version
	virgin     bool // nothing was ever started
}

// point is a place in the code where grantd is killed.
type point struct {
	name  string
	most  int // it is killed there at the 1st to the most-th time
	life  traits
	drive func(*life) // what makes grantd come by, besides registrations
}

// points are all that there are, some in several ways.
func points() []point {
	return []point{
		{name: "feed.recorded", most: 4},
		{name: "feed.polled", most: 2, life: traits{poll: true}},

		{name: "reconcile.planned", most: 6},
		{name: "reconcile.promoted", most: 6},
		{name: "reconcile.connected", most: 2, life: traits{permissive: true}},
		{name: "reconcile.domain-level", most: 1, life: traits{promote: true, virgin: true}},
		{name: "reconcile.grant-created", most: 6},
		{name: "reconcile.grant-updated", most: 2, drive: (*life).editGrant},
		{name: "reconcile.grant-updated", most: 5, drive: (*life).changeScopes},
		{name: "reconcile.parts-made", most: 6},
		{name: "reconcile.saved", most: 6},

		{name: "sweep.page-taken", most: 2, life: traits{crowd: true}, drive: (*life).changeScopes},
		{name: "sweep.page-kept", most: 1, life: traits{crowd: true}, drive: (*life).changeScopes},
		{name: "sweep.page-kept", most: 1, life: traits{crowd: true, virgin: true}},
		{name: "sweep.unlisted-queued", most: 2, drive: (*life).changeScopes},
		{name: "sweep.done-kept", most: 1, drive: (*life).changeScopes},
		{name: "sweep.done-kept", most: 1, life: traits{virgin: true}},

		{name: "store.opened", most: 1},
		{name: "store.opened", most: 1, life: traits{virgin: true}},
		{name: "store.migrating", most: 2, life: traits{virgin: true}},
		{name: "store.migrating", most: 1, life: traits{virgin: true, old: true}},
		{name: "store.migrated", most: 2, life: traits{virgin: true}},
		{name: "store.migrated", most: 1, life: traits{virgin: true, old: true}},
		{name: "store.edited", most: 2, drive: (*life).changeScopes},
		{name: "store.committing", most: 12},
		{name: "store.committing", most: 12, life: traits{virgin: true}},
		{name: "store.committed", most: 12},
		{name: "store.committed", most: 12, life: traits{virgin: true}},

		{name: "auth0.token-written", most: 1, life: traits{virgin: true}},
	}
}

// TestPoints: each point of the source has its turn, and none else.
func TestPoints(t *testing.T) {
	hit := regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)
	var source, table []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range hit.FindAllSubmatch(b, -1) {
			source = append(source, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points() {
		table = append(table, p.name)
	}
	slices.Sort(source)
	slices.Sort(table)
	if d := cmp.Diff(source, slices.Compact(table)); d != "" {
		t.Errorf("the points of the source (-) and of the table (+), each once:\n%s", d)
	}
}
