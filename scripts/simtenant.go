//go:build ignore

// Simtenant is a simulated Auth0 tenant for tests of an installed grantd, where
// there is nothing but grantd and a system, and a small HTTP client.
//
//	simtenant serve                   serves the tenant and what is below on
//	                                  127.0.0.1:9000, by plain HTTP, and delivers its
//	                                  log to http://127.0.0.1:8080/auth0-log-webhook
//	simtenant env                     prints the configuration that grantd needs for it
//	simtenant register                registers a client and prints its id
//	simtenant get [-unix SOCKET] URL  prints what a GET answers; exit 1 unless it is 200
//
// Beside the tenant's own addresses there are:
//
//	/sim/stream?url=U       adds a log stream that delivers to U
//	/sim/register           registers a client and prints its id
//	/sim/scopes?client=ID   the scopes of its grant
//	/sim/tokens             how many Management API tokens were asked for
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"grantd/internal/tenantsim"
)

const (
	address = "127.0.0.1:9000"
	app     = "InstalledM2M00000000000000000000"
	appKey  = "installed-management-secret"
	hookKey = "installed-webhook-5f1c27"
)

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "serve":
		serve()
	case len(args) == 1 && args[0] == "register":
		get("", "http://"+address+"/sim/register")
	case len(args) == 1 && args[0] == "env":
		fmt.Printf("MGMT_DOMAIN=acme.us.auth0.com\nMGMT_CLIENT_ID=%s\nMGMT_CLIENT_SECRET=%s\nGRANTD_MGMT_URL=http://%s\n"+
			"LOG_WEBHOOK_SECRET=%s\nOAUTH_AUDIENCE=https://mcp.example.com/mcp\nTOOL_SCOPES=notes:read\n", app, appKey, address, hookKey)
	case len(args) == 2 && args[0] == "get":
		get("", args[1])
	case len(args) == 4 && args[0] == "get" && args[1] == "-unix":
		get(args[2], args[3])
	default:
		fail("usage: simtenant serve|env|register|get [-unix SOCKET] URL")
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
	for _, api := range []string{"mcp", "notes", "other"} {
		t.AddAPI("https://"+api+".example.com/mcp", "notes:read", "notes:write", "notes:share")
	}
	stream := func(url string) {
		t.AddLogStream(tenantsim.LogStream{URL: url, Authorization: hookKey, Filters: []string{"management.success"}})
	}
	stream("http://127.0.0.1:8080/auth0-log-webhook")
	var registered atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("/", t)
	answer := func(path string, f func(*http.Request) (string, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			text, err := f(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, text)
		})
	}
	answer("/sim/stream", func(r *http.Request) (string, error) { stream(r.FormValue("url")); return "added", nil })
	answer("/sim/register", func(*http.Request) (string, error) {
		c, err := t.Register(tenantsim.ChatGPT(strconv.FormatInt(registered.Add(1), 10)))
		return c.ID, err
	})
	answer("/sim/scopes", func(r *http.Request) (string, error) {
		var all []string
		for _, g := range t.Grants(r.FormValue("client")) {
			all = append(all, g.Scopes...)
		}
		return strings.Join(all, " "), nil
	})
	answer("/sim/tokens", func(*http.Request) (string, error) { return strconv.Itoa(len(t.TokenRequests())), nil })
	server := http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	fail(server.ListenAndServe())
}

func get(socket, url string) {
	client := http.Client{Timeout: 10 * time.Second}
	if socket != "" {
		client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}
	}
	resp, err := client.Get(url)
	if err != nil {
		fail(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		fail(err)
	}
	if resp.StatusCode != http.StatusOK {
		fail(resp.Status)
	}
}
