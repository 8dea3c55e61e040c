// Package metrics counts what grantd does, for Prometheus, in a registry of
// its own. What the ledger or the budget know already is read from them on
// each scrape and never kept twice.
//
// Labels hold values from closed lists only: no client, tenant, audience or
// scope is ever a label.
package metrics
