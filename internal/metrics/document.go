package metrics

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes docs/metrics.md.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(head)
	for _, m := range Catalog() {
		use := m.Use
		if m.Absent != "" {
			use += " Absent " + m.Absent + "."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, labels(m), m.Help, use)
	}
	b.WriteString(tail)
	_, err := io.WriteString(w, b.String())
	return err
}

// labels is a metric's labels with their values, for a cell of the table.
func labels(m Metric) string {
	var cells []string
	for _, l := range m.Labels {
		of := l.Of
		if l.Values != nil {
			of = "`" + strings.Join(l.Values, "`, `") + "`"
		}
		cells = append(cells, "`"+l.Name+"`: "+of)
	}
	if cells == nil {
		return "–"
	}
	return strings.Join(cells, "<br>")
}

const head = `# Metrics

What ` + "`GET /metrics`" + ` on the admin listener exposes for Prometheus, besides the Go runtime's ` + "`go_…`" + ` and the process's ` + "`process_…`" + `.
This page is printed by code (` + "`internal/metrics`" + `); a test fails when it is stale.

Labels hold values from short lists: no client, tenant, audience or scope is ever a label.
Counters begin at 0 with each start, so look at their ` + "`increase`" + ` or ` + "`rate`" + `.

| metric | type | labels | what it is | what for |
| --- | --- | --- | --- | --- |
`

const tail = `
## Scraping

` + "```yaml" + `
scrape_configs:
  - job_name: grantd
    static_configs:
      - targets: ["127.0.0.1:8081"]
    # with GRANTD_ADMIN_TOKEN: authorization: {credentials_file: /etc/prometheus/grantd-token}
` + "```" + `

[configs/prometheus-alerts.yml](../configs/prometheus-alerts.yml) has rules that wake somebody, and says with each what to run. They expect the job to be named ` + "`grantd`" + `.
[configs/grafana-dashboard.json](../configs/grafana-dashboard.json) is a dashboard to import into Grafana.

A client's use (` + "`kind=\"used\"`" + `) is counted as often as its log entry comes: which entries told of use is not remembered.
It comes by the webhook alone, if the log stream's filter has ` + "`auth.token_exchange.success`" + ` or ` + "`auth.login.success`" + `: the poll does not search for it.
`
