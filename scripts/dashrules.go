//go:build ignore

// Dashrules prints the queries of a Grafana dashboard as recording rules, for
// promtool to check.
// Usage: go run scripts/dashrules.go configs/grafana-dashboard.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "dashrules:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var board struct {
		Panels []struct {
			ID      int
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		return err
	}
	fmt.Println("groups:\n  - name: dashboard\n    rules:")
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	for _, p := range board.Panels {
		for _, t := range p.Targets {
			expr, err := json.Marshal(variables.Replace(t.Expr)) // JSON's strings are YAML's too
			if err != nil {
				return err
			}
			fmt.Printf("      - record: panel_%d_%s\n        expr: %s\n", p.ID, t.RefID, expr)
		}
	}
	return nil
}
