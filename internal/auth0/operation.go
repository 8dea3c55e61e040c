package auth0

import (
	"context"
	"slices"
	"time"

	"grantd/internal/budget"
	"grantd/internal/dcr"
)

// operation is a kind of call: its name, what it counts against, and the
// Management API scopes of which any one allows it.
// https://auth0.com/docs/api/management/v2
type operation struct {
	name   string
	group  budget.Group
	scopes []string
	// optional operations are done without where a scope is missing: no token
	// is spent on finding out whether it was granted meanwhile.
	optional bool
}

// The operations. A function, because there are no package-level variables.
func operations() map[string]operation {
	const readAny = "read:clients"
	m := map[string]operation{}
	add := func(name string, group budget.Group, scopes ...string) {
		m[name] = operation{name: name, group: group, scopes: scopes, optional: slices.Contains(forgoable(), name)}
	}
	add(opGetClient, budget.Other, readAny, "read:client_keys", "read:client_credentials")
	add(opListClients, budget.ListClients, readAny, "read:client_keys", "read:client_credentials")
	add(opUpdateClient, budget.Other, "update:clients", "update:client_keys", "update:client_credentials")
	add(opListGrants, budget.Other, "read:client_grants")
	add(opCreateGrant, budget.Other, "create:client_grants")
	add(opUpdateGrant, budget.Other, "update:client_grants")
	add(opDeleteGrant, budget.Other, "delete:client_grants")
	add(opListConnections, budget.ListConnections, "read:connections")
	add(opUpdateConnection, budget.Other, "update:connections")
	add(opEnableClients, budget.Other, "update:connections")
	add(opConnectionClients, budget.Other, "read:connections")
	add(opClientConnections, budget.Other, "read:connections")
	add(opGetResourceServer, budget.Other, "read:resource_servers")
	add(opListLogStreams, budget.Other, "read:log_streams")
	add(opSearchLogs, budget.ReadLogs, "read:logs", "read:logs_users")
	addSetupOperations(add)
	add(opGetTenantSettings, budget.Other, "read:tenant_settings")
	add(opListRules, budget.Other, "read:rules")
	add(opListHooks, budget.Other, "read:hooks")
	add(opListOrganizations, budget.Other, "read:organizations")
	return m
}

// forgoable are the operations that are done without where a scope is missing.
func forgoable() []string {
	return []string{
		opGetResourceServer, opListLogStreams, opDeleteGrant,
		opGetTenantSettings, opListRules, opListHooks, opListOrganizations,
	}
}

// Names of the operations, in metrics and Error.Op.
const (
	opGetClient         = "get_client"
	opListClients       = "list_clients"
	opUpdateClient      = "update_client"
	opListGrants        = "list_client_grants"
	opCreateGrant       = "create_client_grant"
	opUpdateGrant       = "update_client_grant"
	opDeleteGrant       = "delete_client_grant"
	opListConnections   = "list_connections"
	opUpdateConnection  = "update_connection"
	opEnableClients     = "enable_connection_clients"
	opConnectionClients = "list_connection_clients"
	opClientConnections = "list_client_connections"
	opGetResourceServer = "get_resource_server"
	opListLogStreams    = "list_log_streams"
	opSearchLogs        = "search_logs"
	opGetTenantSettings = "get_tenant_settings"
	opListRules         = "list_rules"
	opListHooks         = "list_hooks"
	opListOrganizations = "list_organizations"
	opGetJWKS           = "get_jwks"
	opGetToken          = "get_token"
)

// Operations are the names of all operations of the daemon, in Error.Op,
// CallInfo.Op and the label of metrics.
func Operations() []string {
	return []string{
		opGetClient, opListClients, opUpdateClient, opListGrants, opCreateGrant, opUpdateGrant, opDeleteGrant,
		opListConnections, opUpdateConnection, opEnableClients, opConnectionClients, opClientConnections,
		opGetResourceServer, opListLogStreams, opSearchLogs, opGetTenantSettings, opListRules, opListHooks,
		opListOrganizations, opGetJWKS, opGetToken,
	}
}

// CallInfo is one HTTP request that has ended, for metrics and health.
type CallInfo struct {
	Op     string
	Status int           // 0 without an answer
	Took   time.Duration // without the wait for the budget
	Err    *Error        // nil when it succeeded
	// Optional calls are done without where a scope is missing.
	Optional bool
}

// callKey is the context key of a call's class and source.
type callKey struct{}

type callClass struct {
	class  dcr.Class
	source string
}

// WithCall says for calls made with the context in which class they are and,
// of urgent ones, on whose account: sources take turns. Without it a call is
// urgent and of no source.
func WithCall(ctx context.Context, class dcr.Class, source string) context.Context {
	return context.WithValue(ctx, callKey{}, callClass{class, source})
}

// hurryKey is the context key of the channel that makes calls urgent.
type hurryKey struct{}

// WithHurry makes calls with the context urgent from when the channel is
// closed, those that wait for the rate limit included.
func WithHurry(ctx context.Context, hurry <-chan struct{}) context.Context {
	return context.WithValue(ctx, hurryKey{}, hurry)
}

func hurryOf(ctx context.Context) <-chan struct{} {
	hurry, _ := ctx.Value(hurryKey{}).(<-chan struct{})
	return hurry
}

// gateKey is the context key of what is asked before a request is sent.
type gateKey struct{}

// WithGate has gate asked right before each request made with the context, after
// all waits for the token and the rate limit: they may take minutes, and what was
// decided before may hold no more. With its error nothing is sent, and the call
// fails with it.
func WithGate(ctx context.Context, gate func(context.Context) error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate)
}

// gateOf asks.
func gateOf(ctx context.Context) error {
	if gate, ok := ctx.Value(gateKey{}).(func(context.Context) error); ok {
		return gate(ctx)
	}
	return nil
}

func callOf(ctx context.Context) callClass {
	c, ok := ctx.Value(callKey{}).(callClass)
	if !ok {
		c.class = dcr.Urgent
	}
	return c
}

// opKey is the context key by which the transport knows the operation.
type opKey struct{}

func (c *Client) with(ctx context.Context, op string) context.Context {
	return context.WithValue(ctx, opKey{}, c.operations[op])
}

func opOf(ctx context.Context) operation {
	op, _ := ctx.Value(opKey{}).(operation)
	return op
}
