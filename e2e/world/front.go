package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// front is where grantd reaches the tenant. It can put words of its own into
// the tenant's mouth.
type front struct {
	tenant  http.Handler
	refusal atomic.Pointer[string] // of every write to a client; nil: none
	server  *http.Server
	url     string
}

// openFront makes a front of the tenant that listens.
func openFront(tenant http.Handler) (*front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{tenant: tenant, url: "http://" + l.Addr().String()}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = f.server.Serve(l) }() // until it is closed
	return f, nil
}

// refuse has every write to a client refused with these words; empty: no more.
func (f *front) refuse(words string) {
	if words == "" {
		f.refusal.Store(nil)
		return
	}
	f.refusal.Store(&words)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	words := f.refusal.Load()
	if words == nil || r.Method != http.MethodPatch || !strings.HasPrefix(r.URL.Path, "/api/v2/clients/") {
		f.tenant.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"statusCode": http.StatusBadRequest, "error": "Bad Request", "errorCode": "invalid_body", "message": *words,
	})
}

func (f *front) close() { _ = f.server.Close() }
