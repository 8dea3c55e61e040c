package e2e_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"grantd/internal/metrics"
)

// A running daemon exposes exactly the metrics of docs/metrics.md, with the
// labels and the values listed there, besides those of Go and the process.
func TestMetricsAreTheDocumentedOnes(t *testing.T) {
	w := newWorld(t, setup{env: []string{"GRANTD_POLL_SCHEDULE=@every 1s"}})
	w.await(w.register("first").ID, "ready")
	w.polled()
	w.send("POST", "http://"+w.daemon.Public+"/auth0-log-webhook", []byte("[]"))
	documented := map[string]metrics.Metric{}
	for _, m := range metrics.Catalog() {
		documented[m.Name] = m
	}
	_, body, _ := w.send("GET", "http://"+w.daemon.Admin+"/metrics", nil)
	label := regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	exposed := map[string]bool{}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "go_") || strings.HasPrefix(line, "process_") {
			continue
		}
		series, _, _ := strings.Cut(line, " ")
		name, labels, _ := strings.Cut(series, "{")
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(name, suffix); documented[base].Kind == metrics.Histogram {
				name = base
			}
		}
		m, ok := documented[name]
		if !ok {
			t.Errorf("not documented: %s", series)
			continue
		}
		exposed[name] = true
		for _, pair := range label.FindAllStringSubmatch(labels, -1) {
			i := slices.IndexFunc(m.Labels, func(l metrics.Label) bool { return l.Name == pair[1] })
			switch {
			case pair[1] == "le" && m.Kind == metrics.Histogram:
			case i < 0:
				t.Errorf("the label %s of %s is not documented", pair[1], name)
			case m.Labels[i].Values != nil && !slices.Contains(m.Labels[i].Values, pair[2]):
				t.Errorf("the value %s of %s's %s is not documented", pair[2], name, pair[1])
			}
		}
	}
	if got := w.metric(`grantd_webhook_requests_total{code="401"}`); got != "1" {
		t.Errorf("%s requests without a secret, want 1", got)
	}
	for name, m := range documented {
		if !exposed[name] && m.Absent == "" {
			t.Errorf("documented, not exposed: %s", name)
		}
	}
}
