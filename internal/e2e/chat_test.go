package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const roomPath = "/services/qzjx-room-secret"

// room is a chat that takes notifications, or lets them hang.
type room struct {
	*httptest.Server
	mu    sync.Mutex
	texts []string
}

func newRoom(t *testing.T, hang chan struct{}) *room {
	t.Helper()
	r := &room{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body) // what arrived will do
		var m struct{ Text string }
		if json.Unmarshal(body, &m) != nil || req.URL.Path != roomPath {
			t.Errorf("%s: %s", req.URL.Path, body)
		}
		r.mu.Lock()
		r.texts = append(r.texts, m.Text)
		r.mu.Unlock()
		if hang != nil {
			<-hang
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *room) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.texts...)
}

// A client that becomes ready is one line in the operator's chat, and only one,
// also after a restart. The address is in no output.
func TestChatHearsOfAClientOnce(t *testing.T) {
	r := newRoom(t, nil)
	w := newWorld(t, setup{env: []string{"GRANTD_NOTIFY_URL=" + r.URL + roomPath, "GRANTD_LOG_LEVEL=debug"}})
	c := w.register("first")
	w.await(c.ID, "ready")
	w.eventually("the chat hears of it", func() bool { return len(r.heard()) > 0 })
	w.eventually("the metric counts it", func() bool { return w.metric(`grantd_notifications_total{result="sent"}`) == "1" })
	w.idle()
	w.stop() // which posts what waits
	log := w.daemon.Logged()
	w.start()
	w.warm()
	w.stop()
	got := r.heard()
	if len(got) != 1 || !strings.HasPrefix(got[0], "grantd, "+domain+": “") || !strings.Contains(got[0], "("+c.ID+") is ready: people can log in with it") {
		t.Errorf("%q", got)
	}
	for _, secret := range []string{"qzjx-room", strings.TrimPrefix(r.URL, "http://")} {
		if strings.Contains(log+w.daemon.Logged(), secret) {
			t.Errorf("the log shows the address")
		}
	}
}

// A chat that hangs is not in the way: clients become ready, and grantd stops in
// time.
func TestHangingChatIsNotInTheWay(t *testing.T) {
	hang := make(chan struct{})
	r := newRoom(t, hang)
	t.Cleanup(func() { close(hang) }) // before the room closes
	w := newWorld(t, setup{env: []string{"GRANTD_NOTIFY_URL=" + r.URL + roomPath}})
	first := w.register("first")
	w.await(first.ID, "ready")
	w.eventually("the chat hangs", func() bool { return len(r.heard()) > 0 })
	for _, c := range w.registerMany(5) {
		w.await(c, "ready")
	}
	w.stop()
}
