package daemon

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/health"
	"grantd/internal/metrics"
	"grantd/internal/page"
)

// sources are what the metrics read on each scrape.
func (e *Engine) sources() metrics.Sources {
	return metrics.Sources{
		Version: e.version, Ledger: e.ledger, Holds: e.ledger.Holds,
		RateLimit: e.calls, Waiting: e.waiting, LedgerSize: e.ledgerSize, Entities: e.entities,
		TokenExpires:       func() time.Time { return e.tenant.TokenStatus().ExpiresAt },
		CertificateExpires: e.certificateExpires,
		Health: func(ctx context.Context) (health.Status, []health.Check) {
			return e.health.Report(ctx).Status, e.health.Checks(ctx)
		},
	}
}

// page is the status page.
func (e *Engine) page() *page.Page {
	return page.New(page.Options{
		Ledger: e.ledger, Health: e.health, Holds: e.holds, Waiting: e.waiting, Capacity: e.capacityKnown,
		About: func() page.About {
			c := e.config.Load()
			return page.About{Version: e.version, Tenant: c.Domain, Audience: c.Audience, DryRun: c.DryRun}
		},
	})
}

// calls is the tightest known limit, for the metrics.
func (e *Engine) calls() (remaining, limit int, known bool) {
	b := e.budget.Snapshot().Tightest
	if b == nil {
		return 0, 0, false
	}
	return b.Remaining, b.Limit, true
}

// waiting are the calls that wait for it.
func (e *Engine) waiting() map[dcr.Class]int {
	s := e.budget.Snapshot()
	return map[dcr.Class]int{dcr.Urgent: s.Urgent, dcr.Background: s.Background}
}

func (e *Engine) ledgerSize() (int64, error) {
	info, err := os.Stat(filepath.Join(e.config.Load().StateDir, ledgerFile))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// entities are how full the tenant is, as last counted.
func (e *Engine) entities() []metrics.Entities {
	c, known := e.capacityKnown()
	if !known {
		return nil
	}
	return []metrics.Entities{
		{Kind: "applications", Used: c.Applications, Limit: c.Limits.Applications},
		{Kind: "client_grants", Used: c.Grants, Limit: c.Limits.Grants},
	}
}

// certificateExpires is when the listeners' certificate does, zero for none.
func (e *Engine) certificateExpires() time.Time {
	if e.certificate == nil {
		return time.Time{}
	}
	return e.certificate.Status().Until
}
