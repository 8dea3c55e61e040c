package torture_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"grantd/internal/tenantsim"
)

// hook is what log streams deliver to: it hands on to whatever grantd runs now,
// and takes down what was acknowledged.
type hook struct {
	book   *book
	client *http.Client
	close  func()

	mu     sync.Mutex
	url    string   // empty: none runs
	recent [][]byte // deliveries in clear, newest last
	marker string   // an entry that is waited for
	marked map[string]bool
}

// streamHeader tells the streams apart.
const streamHeader = "X-Stream"

// await has the hook look for an entry.
func (h *hook) await(logID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marker, h.marked = logID, map[string]bool{}
}

// arrived is how many streams have delivered that entry.
func (h *hook) arrived() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.marked)
}

func newHook(b *book) *hook {
	return &hook{book: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: patience}}
}

func (h *hook) target(url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.url = url
	if url == "" {
		h.client.CloseIdleConnections()
	}
}

func (h *hook) end() {
	h.close()
	h.client.CloseIdleConnections()
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	encoding := r.Header.Get("Content-Encoding")
	text := plain(body, encoding)
	h.remember(text)
	status := h.deliver(r.Context(), body, encoding)
	h.mu.Lock()
	if status == http.StatusOK && h.marker != "" && bytes.Contains(text, []byte(h.marker)) {
		h.marked[r.Header.Get(streamHeader)] = true
	}
	h.mu.Unlock()
	w.WriteHeader(status)
}

// remembered is how many deliveries can be made again.
const remembered = 8

func (h *hook) remember(body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = append(h.recent, body)
	h.recent = h.recent[max(0, len(h.recent)-remembered):]
}

func (h *hook) newest() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.recent)
}

// deliver returns grantd's answer. From the moment that it is 200, nothing of
// the body may be lost.
func (h *hook) deliver(ctx context.Context, body []byte, encoding string) int {
	h.mu.Lock()
	url := h.url
	h.mu.Unlock()
	if url == "" {
		return http.StatusBadGateway
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadGateway
	}
	req.Header.Set("Authorization", secret)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return http.StatusBadGateway
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		h.book.acknowledged(plain(body, encoding))
	}
	_, _ = io.Copy(io.Discard, resp.Body) // the status is what counts
	return resp.StatusCode
}

func plain(body []byte, encoding string) []byte {
	if encoding != "gzip" {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	b, _ := io.ReadAll(z) // made by the tenant
	return b
}

// acknowledged takes down the registrations in a delivery of JSON lines.
func (b *book) acknowledged(body []byte) {
	for line := range bytes.Lines(body) {
		var e struct {
			Data struct {
				Description string
				Details     struct {
					Response struct {
						Body json.RawMessage
					}
				}
			}
		}
		var made struct {
			ClientID string `json:"client_id"`
		}
		if json.Unmarshal(line, &e) != nil || e.Data.Description != "Dynamic client registration" ||
			json.Unmarshal(e.Data.Details.Response.Body, &made) != nil {
			continue
		}
		b.mu.Lock()
		b.acked[made.ClientID] = true
		b.mu.Unlock()
	}
}

func (b *book) acknowledgements() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for id := range b.acked {
		ids = append(ids, id)
	}
	return ids
}

const (
	registrationsARound = 14
	roundLimit          = 2 * time.Minute
)

// load has the world go on until grantd is dead. It reports false when that
// did not happen in time.
func (l *life) load(drive func(*life)) bool {
	before := len(l.want)
	pause := 20 * time.Millisecond
	for _, s := range l.streams {
		s.SetDelivery(l.delivery())
	}
	for began := time.Now(); !l.dead(); {
		switch {
		case time.Since(began) > roundLimit:
			return false
		case len(l.want)-before < registrationsARound:
			l.act()
		case drive == nil:
			l.register()
			l.wait(pause)
			pause += pause / 8
		}
		if drive != nil && l.rand.IntN(3) == 0 && !l.dead() {
			drive(l)
			l.wait(pause) // ever longer: a slow machine is to get through with what was driven
			pause += pause / 8
		}
		l.wait(time.Duration(l.rand.IntN(4000)) * time.Microsecond)
	}
	return true
}

// act is one thing that happens in the world.
func (l *life) act() {
	switch l.rand.IntN(10) {
	case 0, 1, 2, 3:
		l.register()
	case 4, 5: // a burst: several in one delivery, or many deliveries at once
		l.streams[0].Hold()
		for range 2 + l.rand.IntN(5) {
			l.register()
		}
		l.streams[0].Release()
	case 6:
		l.again()
	case 7:
		l.forge()
	case 8:
		l.editGrant()
	case 9:
		l.remove()
	}
}

// register is a client that registers, one in six from elsewhere.
func (l *life) register() {
	l.serial++
	r := tenantsim.ChatGPT(fmt.Sprintf("c%d", l.serial))
	r.IP = fmt.Sprintf("203.0.113.%d", l.rand.IntN(40))
	phase := "ready"
	if l.rand.IntN(6) == 0 {
		r.RedirectURIs = append(r.RedirectURIs, "https://evil.example/callback")
		phase = "refused"
	}
	c, err := l.tenant.Register(r)
	l.must(err)
	l.expect(c.ID, phase)
	if phase == "refused" {
		l.untouched[c.ID] = c
	}
}

// again delivers old log entries once more, each in a request of its own, all
// at once.
func (l *life) again() {
	logs := l.tenant.Logs()
	var wg sync.WaitGroup
	for range min(len(logs), 4) {
		raw := logs[l.rand.IntN(len(logs))]
		wg.Go(func() { l.hook.deliver(l.Context(), fmt.Appendf(nil, `{"data":%s}`, raw), "") })
	}
	wg.Wait()
}

// forge delivers a registration that names somebody else.
func (l *life) forge() {
	for id := range l.untouched {
		l.hook.deliver(l.Context(), fmt.Appendf(nil, `{"log_id":"forged-%d","data":{"type":"sapi","description":"Dynamic client registration","date":%q,`+
			`"details":{"request":{"method":"post","path":"/oidc/register"},"response":{"statusCode":201,"body":{"client_id":%q,"redirect_uris":[%q]}}}}}`,
			l.rand.Uint64(), time.Now().UTC().Format(time.RFC3339Nano), id, chatGPT(1)), "")
		return
	}
}

// settled returns the clients that have a grant, of which some may be edited.
func (l *life) settled() []string {
	var ids []string
	for id, phase := range l.want {
		if phase == "ready" && len(l.tenant.Grants(id)) > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // so that the seed decides
	return ids
}

// editsAClient is less than what makes grantd think that somebody else manages
// the client's grant.
const editsAClient = 3

// editGrant is an administrator who takes a scope away from a client.
func (l *life) editGrant() {
	ids := slices.DeleteFunc(l.settled(), func(id string) bool { return l.edits[id] >= editsAClient })
	if len(ids) == 0 {
		return
	}
	id := ids[l.rand.IntN(len(ids))]
	l.edits[id]++
	l.tenant.Do(tenantsim.Admin(), http.MethodPatch, "/api/v2/client-grants/"+l.tenant.Grants(id)[0].ID, map[string]any{"scope": []string{"notes:read"}})
}

// remove deletes a client, at most one for a round.
func (l *life) remove() {
	ids := l.settled()
	if len(ids) < 5 || l.edits["removed "+l.round] > 0 {
		return
	}
	l.edits["removed "+l.round]++
	id := ids[l.rand.IntN(len(ids))]
	l.tenant.DeleteClient(id)
	l.expect(id, "gone")
}

// changeScopes is an operator who asks for other scopes, by a reload.
func (l *life) changeScopes() {
	if !l.swept {
		return // until then grants count as somebody else's, and are not narrowed
	}
	if len(l.scopes) == 2 {
		l.scopes = []string{"notes:read", "notes:share", "notes:write"}
	} else {
		l.scopes = []string{"notes:read", "notes:write"}
	}
	l.env["TOOL_SCOPES"] = strings.Join(l.scopes, " ")
	l.writeEnv()
	_ = l.daemon.Reload() // it may be dead by now
}
