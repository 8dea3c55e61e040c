package torture_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grantd/internal/tenantsim"
)

const (
	soakClients  = 60                     // in the tenant at once: the oldest make room
	soakTick     = 200 * time.Millisecond // something happens
	soakSamples  = 120                    // a run at most; one in 30 s of an hour
	soakPhases   = 12                     // of weather, a run
	soakCalm     = 3 * time.Minute        // to converge in, at the end
	noiseEntries = 50                     // a tick, of 1 kB
)

// TestSoak has grantd work for as long as GRANTD_SOAK says: registrations,
// deliveries again, edits, deletions, other scopes, noise in the log, slow
// callers, polls and sweeps, in weather that changes. It prints what grantd
// takes up meanwhile, and fails where the outcome is wrong.
func TestSoak(t *testing.T) {
	text := os.Getenv(soakEnv)
	if text == "" {
		t.Skip(soakEnv + " names no duration")
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	tl := &tally{seed: seed(t)}
	r := rand.New(rand.NewPCG(tl.seed, 2))
	l := newLife(t, r, traits{permissive: true}, tl)
	defer l.end()
	l.tenant.SetPlan(tenantsim.Enterprise) // without limits there are no headers to learn from, as no tenant is
	l.round, l.exe = "soak", os.Getenv(plainEnv)
	l.env["GRANTD_POLL_SCHEDULE"], l.env["GRANTD_SWEEP_SCHEDULE"] = "@every 15s", "@every 1m"
	l.start("", 0)
	l.converge()
	s := &soak{life: l, long: long, began: time.Now()}
	s.run()
	t.Logf("grantd used %.2f of a core; %d registrations, %d deletions, %d edits, %d reloads, %d entries of noise; %d calls; time to ready %s",
		l.cpu().Seconds()/time.Since(s.began).Seconds(), s.registered, s.deleted, s.edited, s.reloads, s.noise, s.calls, s.readiness())
	t.Log("\n" + curves(s.samples))
	s.calm()
}

// soak is a run of TestSoak.
type soak struct {
	*life
	long    time.Duration
	began   time.Time
	phase   int
	order   []string // clients, oldest first
	samples []sample

	registered, deleted, edited, reloads, noise, calls int
}

func (s *soak) run() {
	ctx, cancel := context.WithTimeout(s.Context(), s.long)
	defer cancel()
	var others sync.WaitGroup
	defer others.Wait()
	for i := range 4 {
		others.Go(func() { s.slowly(ctx, i) })
	}
	tick, look := time.NewTicker(soakTick), time.NewTicker(max(time.Second, s.long/soakSamples))
	defer tick.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			s.look()
			return
		case <-s.daemon.Done():
			s.fatalf("it ended by itself")
		case <-look.C:
			s.look()
		case <-tick.C:
			s.weather()
			s.happen()
		}
	}
}

// look takes a sample, and says so.
func (s *soak) look() {
	now, err := s.measure()
	s.must(err)
	s.samples = append(s.samples, now)
	s.calls += len(s.tenant.Calls())
	s.tenant.ResetCalls()
	s.Logf("%s: phase %d, %d registrations, %d clients, RssAnon %.1f MiB, %.0f goroutines, %.0f descriptors, ledger %.1f MiB",
		time.Since(s.began).Round(time.Second), s.phase, s.registered, len(s.order), now.rss, now.goroutines, now.files, now.ledger)
}

// weather changes with the phases of a run.
func (s *soak) weather() {
	phase := 1 + int(time.Since(s.began)*soakPhases/s.long)
	if phase == s.phase {
		return
	}
	s.phase = phase
	s.tenant.OutageBy(tenantsim.NoFault)
	for _, stream := range s.streams {
		stream.Release()
		stream.SetDelivery(s.delivery())
	}
	rate := []float64{0, 0.1, 0.3, 0.2}[phase%4]
	s.tenant.FailRate(rate, s.rand.Uint64(),
		tenantsim.RateLimited, tenantsim.RateLimitedBare, tenantsim.InternalError, tenantsim.BadGateway, tenantsim.Unavailable,
		tenantsim.Reset, tenantsim.CutShort, tenantsim.TruncatedJSON, tenantsim.GarbageJSON,
		tenantsim.NotFound, tenantsim.Conflict)
	switch phase % 6 {
	case 3: // what one stream brings comes late, and some of it never
		s.streams[0].Hold()
		s.streams[1].Drop(20)
	case 5:
		s.tenant.RevokeTokens()
	}
}

// happen is one tick.
func (s *soak) happen() {
	s.makeNoise()
	switch n := s.rand.IntN(100); {
	case n < 20:
		s.arrive()
	case n < 24:
		for range 5 {
			s.arrive()
		}
	case n < 28:
		s.repeat()
	case n < 31:
		s.forge()
	case n < 36:
		s.editGrant()
		s.edited++
	case n < 37 && s.rand.IntN(4) == 0:
		s.changeScopes()
		s.reloads++
	}
}

// arrive is a client that registers; the oldest makes room.
func (s *soak) arrive() {
	before := len(s.want)
	s.register()
	s.registered++
	if len(s.want) == before {
		s.fatalf("a client has the id of another")
	}
	for id := range s.want {
		if !slices.Contains(s.order, id) {
			s.order = append(s.order, id)
		}
	}
	for len(s.order) > soakClients {
		id := s.order[0]
		s.order = s.order[1:]
		s.tenant.DeleteClient(id)
		s.deleted++
		delete(s.want, id)
		delete(s.untouched, id)
		delete(s.edits, id)
	}
}

// repeat delivers the newest deliveries again.
func (s *soak) repeat() {
	for _, body := range s.hook.newest() {
		s.hook.deliver(s.Context(), body, "")
	}
}

// makeNoise delivers entries that concern nobody here.
func (s *soak) makeNoise() {
	var b bytes.Buffer
	for range noiseEntries {
		s.noise++
		fmt.Fprintf(&b, `{"log_id":"noise-%d","data":{"date":%q,"type":"seacft","client_id":"AaiyAPdpYdesoKnqjj8HJqRn4T5titww","user_agent":%q}}`+"\n",
			s.noise, time.Now().UTC().Format(time.RFC3339Nano), strings.Repeat("x", 900))
	}
	s.hook.deliver(s.Context(), b.Bytes(), "")
}

// slowly is a caller that sends a request by the byte, or nothing at all.
func (s *soak) slowly(ctx context.Context, i int) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.daemon.Public)
		if err != nil {
			return
		}
		request := "POST /auth0-log-webhook HTTP/1.1\r\nHost: x\r\nAuthorization: " + secret + "\r\nContent-Length: 1000\r\n\r\n[" + strings.Repeat(" ", 990)
		for _, c := range []byte(request) {
			if i > 0 { // the first says nothing
				if _, err := conn.Write([]byte{c}); err != nil {
					break
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			if ctx.Err() != nil {
				break
			}
		}
		conn.Close()
	}
}

// readiness is the mean time from registration to ready.
func (s *soak) readiness() string {
	resp, err := http.Get("http://" + s.daemon.Admin + "/metrics")
	s.must(err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	s.must(err)
	seconds, count := value(b.Bytes(), "grantd_time_to_ready_seconds_sum"), value(b.Bytes(), "grantd_time_to_ready_seconds_count")
	return fmt.Sprintf("%.2f s in the mean of %.0f clients", seconds/max(1, count), count)
}

// calm ends the bad weather: all that is left undone is done, and nothing wrong
// was.
func (s *soak) calm() {
	s.tenant.FailRate(0, 0)
	s.tenant.OutageBy(tenantsim.NoFault)
	for _, stream := range s.streams {
		stream.Release()
		stream.Drop(0)
	}
	s.must(s.daemon.Reload()) // blocked clients are tried again at once
	began := time.Now()
	var wrong string
	for {
		out, err := exec.CommandContext(s.Context(), s.exe, "sync", "--env-file", filepath.Join(s.dir, "grantd.env")).CombinedOutput()
		wrong = s.listing(s.Context())
		if err == nil && wrong == "" {
			break
		}
		if time.Since(began) > soakCalm {
			s.fatalf("does not converge: %s\ngrantd sync: %v\n%s", wrong, err, out)
		}
		s.wait(time.Second)
	}
	s.converge()
	s.Logf("all is as desired %s after the bad weather", time.Since(began).Round(time.Second))
	s.stop()
	s.autopsy()
}
