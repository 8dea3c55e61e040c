package metrics_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/metrics"
)

func configFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	selector = regexp.MustCompile(`\b(grantd_[a-z_]+)(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// labelsOf are a metric's labels with what Prometheus adds; false: there is no
// such metric.
func labelsOf(name string) ([]metrics.Label, bool) {
	for _, m := range metrics.Catalog() {
		common := []metrics.Label{{Name: "job"}, {Name: "instance"}}
		if m.Name == name && m.Kind != metrics.Histogram {
			return append(common, m.Labels...), true
		}
		if base, found := strings.CutPrefix(name, m.Name+"_"); found && m.Kind == metrics.Histogram && slices.Contains([]string{"bucket", "sum", "count"}, base) {
			return append(common, append(slices.Clone(m.Labels), metrics.Label{Name: "le"})...), true
		}
	}
	return nil, false
}

// checkQuery holds a query to the catalog: its metrics, their labels and, where
// the list is closed, the values.
func checkQuery(t *testing.T, expr string) {
	t.Helper()
	var grouped []string
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		grouped = append(grouped, regexp.MustCompile(`[, ]+`).Split(g[1], -1)...)
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		labels, ok := labelsOf(s[1])
		if !ok {
			t.Errorf("no metric %s: %s", s[1], expr)
			continue
		}
		for _, g := range grouped {
			if !slices.ContainsFunc(labels, func(l metrics.Label) bool { return l.Name == g }) {
				t.Errorf("%s has no label %s: %s", s[1], g, expr)
			}
		}
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			i := slices.IndexFunc(labels, func(l metrics.Label) bool { return l.Name == m[1] })
			if i < 0 {
				t.Errorf("%s has no label %s: %s", s[1], m[1], expr)
				continue
			}
			for v := range strings.SplitSeq(m[3], "|") {
				switch l := labels[i]; {
				case l.Values != nil && !slices.Contains(l.Values, v):
					t.Errorf("%s{%s} is never %q: %s", s[1], m[1], v, expr)
				case m[1] == "reason" && !slices.ContainsFunc(dcr.Reasons(), func(r dcr.ReasonInfo) bool { return string(r.Reason) == v }):
					t.Errorf("there is no reason %q: %s", v, expr)
				}
			}
		}
	}
}

// TestAlerts: each rule has what the person who is woken needs, and looks at
// what there is. scripts/alerts has promtool check and test them.
func TestAlerts(t *testing.T) {
	rules := strings.Split(configFile(t, "prometheus-alerts.yml"), "- alert: ")[1:]
	tests := configFile(t, "prometheus-alerts.test.yml")
	seen := map[string]bool{}
	for _, rule := range rules {
		name, _, _ := strings.Cut(rule, "\n")
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		for _, want := range []string{`expr: \S`, `severity: (critical|warning|info)\}`, `summary: \S`, `description: "[^\n]*(grantd|journalctl|systemctl|curl) [^\n]*"`} {
			if !regexp.MustCompile(want).MatchString(rule) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(tests) {
			t.Errorf("no test of prometheus-alerts.test.yml has %s fire", name)
		}
		_, expr, _ := strings.Cut(rule, "expr: ")
		expr, _, _ = strings.Cut(expr, "\n")
		checkQuery(t, expr)
	}
	if len(rules) < 20 {
		t.Errorf("%d rules", len(rules))
	}
	for _, m := range selector.FindAllStringSubmatch(tests, -1) {
		if _, ok := labelsOf(m[1]); !ok {
			t.Errorf("the tests have a metric %s, which is none", m[1])
		}
	}
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ UID string }
	Targets                  []struct{ RefID, Expr string }
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

// TestDashboard: Grafana can import it, no panel covers another, and each says
// what it shows and asks for what there is.
func TestDashboard(t *testing.T) {
	var board struct {
		Title, UID    string
		SchemaVersion int
		Templating    struct{ List []struct{ Name, Type string } }
		Panels        []panel
	}
	if err := json.Unmarshal([]byte(configFile(t, "grafana-dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || board.UID == "" || board.SchemaVersion < 30 || len(board.Templating.List) == 0 ||
		board.Templating.List[0].Name != "datasource" || board.Templating.List[0].Type != "datasource" {
		t.Errorf("%q %q %d %+v", board.Title, board.UID, board.SchemaVersion, board.Templating)
	}
	ids, taken, asked := map[int]string{}, map[[2]int]string{}, ""
	for _, p := range board.Panels {
		if other, ok := ids[p.ID]; ok || p.ID == 0 {
			t.Errorf("%q and %q have the id %d", other, p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%q lies at %+v", p.Title, g)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok {
					t.Fatalf("%q covers %q", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d lacks something: %+v", p.ID, p)
		}
		for _, target := range p.Targets {
			checkQuery(t, strings.ReplaceAll(target.Expr, `instance=~"$instance"`, `instance=~".*"`))
			asked += target.Expr + "\n"
		}
	}
	for _, m := range metrics.Catalog() {
		if !strings.Contains(asked, m.Name) {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
}
