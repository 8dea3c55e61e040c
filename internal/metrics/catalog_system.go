package metrics

import (
	"grantd/internal/dcr"
	"grantd/internal/health"
)

func (c *catalog) ofAuth0() {
	operation := Label{Name: "operation", Of: "the name of the call, such as `get_client`"}
	const untold = "before Auth0 told one"
	c.requests = Metric{
		"grantd_management_requests_total", Counter,
		[]Label{operation, {Name: "code", Of: "the HTTP status, or a reason of calls in [reasons.md](reasons.md) where there was no answer"}},
		"Requests to Auth0, by operation and HTTP status, or reason without one.",
		"429 should stay at 0: whatever else uses the same limit uses it up. 401 and 403: secret or scopes.", "of calls that were never made",
	}
	c.duration = Metric{
		"grantd_management_request_duration_seconds", Histogram, []Label{operation},
		"How long requests to Auth0 took, without waiting for the rate limit.",
		"Tells a slow Auth0 from a slow grantd.", "of calls that were never made",
	}
	c.remaining = Metric{
		"grantd_management_rate_limit_remaining", Gauge, nil,
		"Calls left in Auth0's tightest known rate limit.",
		"Near 0 for minutes: see what else calls the Management API.", untold,
	}
	c.limit = Metric{
		"grantd_management_rate_limit_size", Gauge, nil,
		"How many calls Auth0's tightest known rate limit allows.",
		"With the calls left, the part that is left.", untold,
	}
	c.waiting = Metric{
		"grantd_management_waiting_calls", Gauge, []Label{label("class", dcr.Urgent, dcr.Background)},
		"Calls that wait for the rate limit, by class.",
		"Urgent ones that wait for long: a person waits for them.", "",
	}
	c.tokenExpires = Metric{
		"grantd_management_token_expires_timestamp_seconds", Gauge, nil,
		"When the Management API token expires, in seconds since 1970. It is renewed before.",
		"In the past: no new one could be had.", "while there is no token",
	}
	kind := label("kind", "applications", "client_grants")
	c.entities = Metric{
		"grantd_tenant_entities", Gauge, []Label{kind},
		"Entities of the tenant that count against its plan's limits, as last counted.",
		"At the limit no client can register: delete unused ones, or change the plan.", "while they were not counted",
	}
	c.entityLimit = Metric{
		"grantd_tenant_entity_limit", Gauge, []Label{kind},
		"How many of these entities the tenant's plan allows.",
		"See GRANTD_PLAN.", "where the limit is not known",
	}
}

func (c *catalog) ofItself() {
	c.status = Metric{
		"grantd_status", Gauge, []Label{label("status", health.StatusOK, health.StatusDegraded, health.StatusDown)},
		"1 for the status of GET /health/auth0, 0 for the others.",
		"Down: page somebody. Degraded: grantd_check_failing says why.", "",
	}
	c.failing = Metric{
		"grantd_check_failing", Gauge, []Label{{Name: "reason", Of: "a reason of health in [reasons.md](reasons.md)"}},
		"1 for a check of health that fails, 0 for the others, by reason.",
		"What to do about each is in reasons.md.", "",
	}
	c.ledgerBytes = Metric{
		"grantd_ledger_bytes", Gauge, nil,
		"Size of the ledger's file. Free pages in it are used again.",
		"It grows and then stays; grantd ledger compact makes it smaller, GRANTD_JOURNAL_MAX_MIB bounds the journal in it.", "when the file cannot be read",
	}
	c.certExpires = Metric{
		"grantd_certificate_expires_timestamp_seconds", Gauge, nil,
		"When the certificate of the listeners expires, in seconds since 1970. It is renewed before.",
		"Less than 14 days ahead: it was not renewed; the log says why.", "while there is none: without TLS, or before the first was issued",
	}
	c.buildInfo = Metric{
		"grantd_build_info", Gauge, []Label{{Name: "version", Of: "as grantd version has it"}},
		"Always 1; the version of grantd that runs.",
		"Which version runs where, and since when.", "",
	}
}
