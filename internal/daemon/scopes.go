package daemon

// ApplicationScopes are the Management API scopes for grantd's own application:
// those it needs, and those with which it can say more.
func ApplicationScopes() []string {
	return append(neededScopes(), "read:resource_servers", "read:log_streams", "read:tenant_settings")
}
