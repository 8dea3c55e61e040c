package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// startChat starts what takes notifications and answers them with a status: chat
// VARIABLE STATUS. The variable is its address. Where it refuses it repeats the
// address and all that was sent.
func startChat(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what arrived will do
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = w.Write([]byte("ok"))
			return
		}
		_, _ = w.Write([]byte(r.URL.Path + string(body)))
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL+"/services/the-room-secret")
}
