package auth0

import "grantd/internal/budget"

// The operations of grantd setup. The daemon makes none of these calls, so they
// are no label of its metrics.
const (
	opCreateAPI      = "create_resource_server"
	opUpdateAPI      = "update_resource_server"
	opCreateClient   = "create_client"
	opUpdateSettings = "update_tenant_settings"
	opCreateStream   = "create_log_stream"
	opUpdateStream   = "update_log_stream"
)

func addSetupOperations(add func(name string, group budget.Group, scopes ...string)) {
	add(opCreateAPI, budget.Other, "create:resource_servers")
	add(opUpdateAPI, budget.Other, "update:resource_servers")
	add(opCreateClient, budget.Other, "create:clients")
	add(opUpdateSettings, budget.Other, "update:tenant_settings")
	add(opCreateStream, budget.Other, "create:log_streams")
	add(opUpdateStream, budget.Other, "update:log_streams")
}
