package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"grantd/internal/tenantsim"
)

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Webhook statuses and bodies are exactly those of the contract.
func TestWebhookAnswersAsInTheContract(t *testing.T) {
	const previous = "the-secret-before-this-one"
	w := newWorld(t, setup{noStream: true, env: []string{"LOG_WEBHOOK_SECRET_PREVIOUS=" + previous}})
	url := "http://" + w.daemon.Public + "/auth0-log-webhook"
	none := `{"received":0,"sightings":0,"registrations":0,"malformed":0}`
	unknown := registration("log-1", "tpc_does_not_exist", otherApp)
	large := bytes.Repeat([]byte(" "), 10<<20+1)
	// A body that is not wanted is not sent: what is left of it when grantd hangs
	// up can take the answer with it.
	w.client = &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}
	defer w.client.CloseIdleConnections()
	for _, tt := range []struct {
		name   string
		method string
		body   []byte
		header []string
		status int
		answer string // all of it for 200, else the error's code
	}{
		{"Authorization as it is", "POST", []byte(`[]`), []string{"Authorization", secret}, 200, none},
		{"Bearer", "POST", []byte(`[]`), []string{"Authorization", "Bearer " + secret}, 200, none},
		{"X-Webhook-Secret", "POST", []byte(`[]`), []string{"X-Webhook-Secret", secret}, 200, none},
		{"previous secret", "POST", []byte(`[]`), []string{"Authorization", previous}, 200, none},
		{"either header right", "POST", []byte(`[]`), []string{"Authorization", "Basic eA==", "X-Webhook-Secret", secret}, 200, none},
		{"entries", "POST", append(unknown, "\n{}\n42\n"...), []string{"Authorization", secret}, 200,
			`{"received":3,"sightings":1,"registrations":1,"malformed":2}`},
		{"the same again", "POST", unknown, []string{"Authorization", secret}, 200, `{"received":1,"sightings":0,"registrations":0,"malformed":0}`},
		{"gzip", "POST", zipped(t, []byte(`{"logs":[]}`)), []string{"Authorization", secret, "Content-Encoding", "gzip"}, 200, none},
		{"no credential", "POST", []byte(`[]`), nil, 401, "unauthorized"},
		{"wrong credential", "POST", []byte(`[]`), []string{"Authorization", secret + "x"}, 403, "forbidden"},
		{"beginning of the secret", "POST", []byte(`[]`), []string{"Authorization", secret[:8]}, 403, "forbidden"},
		{"no credential goes before a bad body", "POST", large, nil, 401, "unauthorized"},
		{"too large on the wire", "POST", large, []string{"Authorization", secret}, 413, "too_large"},
		{"too large inflated", "POST", zipped(t, append([]byte("[]"), large...)), []string{"Authorization", secret, "Content-Encoding", "gzip"}, 413, "too_large"},
		{"empty", "POST", nil, []string{"Authorization", secret}, 400, "nothing_readable"},
		{"not JSON", "POST", []byte("hello"), []string{"Authorization", secret}, 400, "nothing_readable"},
		{"GET", "GET", nil, []string{"Authorization", secret}, 405, "method_not_allowed"},
	} {
		status, answer, header := w.send(tt.method, url, tt.body, append(tt.header, "Expect", "100-continue")...)
		var problem struct{ Error, Message string }
		switch {
		case status != tt.status:
			t.Errorf("%s: %d %s, want %d", tt.name, status, answer, tt.status)
		case status == http.StatusOK:
			if got := strings.TrimSpace(string(answer)); got != tt.answer {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.answer)
			}
		case json.Unmarshal(answer, &problem) != nil || problem.Error != tt.answer || problem.Message == "":
			t.Errorf("%s: %s, want error %q and a message", tt.name, answer, tt.answer)
		}
		if status == http.StatusUnauthorized && header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", tt.name)
		}
	}
	if status, answer, _ := w.send("GET", "http://"+w.daemon.Public+"/api/v1/clients", nil); status != 404 {
		t.Errorf("the public listener shows clients: %d %s", status, answer)
	}
}

// A delivery that cannot be kept is answered with 503 and Retry-After, and
// comes again: the ledger is unavailable while the disk is full.
func TestNothingIsAcknowledgedThatWasNotKept(t *testing.T) {
	w := newWorld(t, setup{unstarted: true, delivery: tenantsim.Delivery{Manual: true}})
	w.start()
	w.limitFiles(0)
	w.registerMany(3)
	delivery := body(w.lines())
	status, answer, header := w.send("POST", "http://"+w.daemon.Public+"/auth0-log-webhook", delivery, "Authorization", secret)
	if status != 503 || header.Get("Retry-After") == "" {
		t.Fatalf("a delivery while the disk is full: %d %s, Retry-After %q", status, answer, header.Get("Retry-After"))
	}
	if got, _, _ := w.send("GET", "http://"+w.daemon.Public+"/readyz", nil); got != 503 {
		t.Errorf("GET /readyz: %d, want 503", got)
	}
	w.limitFiles(1 << 40)
	if r := w.post(delivery); r.Registrations != 3 {
		t.Errorf("delivered again: %+v", r)
	}
	if got, _, _ := w.send("GET", "http://"+w.daemon.Public+"/readyz", nil); got != 200 {
		t.Errorf("GET /readyz: %d, want 200", got)
	}
}
