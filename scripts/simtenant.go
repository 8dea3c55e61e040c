//go:build ignore

// Simtenant is a simulated Auth0 tenant for tests of the packages, where there
// is nothing but grantd and a system.
//
//	simtenant serve     serves the tenant on 127.0.0.1:9000, by plain HTTP, and
//	                    delivers its log to http://127.0.0.1:8080/auth0-log-webhook
//	simtenant register  registers a client and prints its id
//	simtenant env       prints the configuration that grantd needs for it
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"grantd/internal/tenantsim"
)

const (
	address  = "127.0.0.1:9000"
	audience = "https://mcp.example.com/mcp"
	app      = "PackageTestM2M000000000000000000"
	appKey   = "package-test-management-secret"
	hookKey  = "package-test-webhook-5f1c27"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: simtenant serve|register|env")
	}
	switch os.Args[1] {
	case "serve":
		serve()
	case "register":
		register()
	case "env":
		fmt.Printf("MGMT_DOMAIN=acme.us.auth0.com\nMGMT_CLIENT_ID=%s\nMGMT_CLIENT_SECRET=%s\nGRANTD_MGMT_URL=http://%s\n"+
			"LOG_WEBHOOK_SECRET=%s\nOAUTH_AUDIENCE=%s\nTOOL_SCOPES=notes:read\n", app, appKey, address, hookKey, audience)
	default:
		fail("what is ", os.Args[1], "?")
	}
}

func fail(why ...any) {
	fmt.Fprintln(os.Stderr, why...)
	os.Exit(1)
}

func serve() {
	t := tenantsim.New(tenantsim.Options{Domain: "acme.us.auth0.com", Plan: tenantsim.Enterprise})
	t.AddM2M(app, appKey, "read:clients", "update:clients", "read:connections", "update:connections",
		"read:client_grants", "create:client_grants", "update:client_grants", "read:logs", "read:resource_servers")
	t.AddConnection("google-oauth2", true)
	t.AddAPI(audience, "notes:read")
	t.AddLogStream(tenantsim.LogStream{
		URL: "http://127.0.0.1:8080/auth0-log-webhook", Authorization: hookKey, Filters: []string{"management.success"},
	})
	server := http.Server{Addr: address, Handler: t, ReadHeaderTimeout: 10 * time.Second}
	fail(server.ListenAndServe())
}

func register() {
	body, err := json.Marshal(tenantsim.ChatGPT("xrJcjDqFVWSt"))
	if err != nil {
		fail(err)
	}
	resp, err := http.Post("http://"+address+"/oidc/register", "application/json", bytes.NewReader(body))
	if err != nil {
		fail(err)
	}
	defer resp.Body.Close()
	var made struct {
		ID string `json:"client_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || made.ID == "" {
		fail(resp.Status, err)
	}
	fmt.Println(made.ID)
}
