package store_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// Refused registrations take bounded disk, however many there are and whatever
// is in them: some 1 KiB for each of the clients that are kept, and some 250
// bytes for each log entry that is known again for a week. Clients that are
// served are never forgotten. GRANTD_FLOOD says how many are registered, such as
// 200000.
func TestFlood(t *testing.T) {
	flood, kept := 500, 100
	if v, err := strconv.Atoi(os.Getenv("GRANTD_FLOOD")); err == nil {
		flood, kept = v, store.MaxResting
	}
	path := t.TempDir() + "/grantd.db"
	l := storetest.Open(t, at(path))
	store.SetMaxResting(l, kept)
	const eligible = 100
	for n := range eligible {
		id := fmt.Sprint("good_", n)
		record(t, l, registered(id, "log-"+id))
		settle(t, l, id, dcr.Ready)
	}
	const batch = 100
	for from := 0; from < flood; from += batch {
		var ss []dcr.Sighting
		for n := from; n < from+batch; n++ {
			ss = append(ss, hostileRegistration(n))
		}
		record(t, l, ss...)
		refuseAll(t, l, ss)
	}
	counts, err := l.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	diff(t, counts[dcr.Refused], kept)
	diff(t, counts[dcr.Ready], eligible)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	bound := int64(4<<20 + 3<<10*kept + 250*flood) // a file grows by doubling
	t.Logf("%d registrations, %d kept: %d bytes, bound %d", flood, kept, info.Size(), bound)
	if info.Size() > bound {
		t.Errorf("the file has %d bytes, bound %d", info.Size(), bound)
	}
}

// hostileRegistration is as large as the decoder lets one through.
func hostileRegistration(n int) dcr.Sighting {
	s := dcr.Sighting{
		Kind: dcr.Registered, Class: dcr.Background, ClientID: fmt.Sprintf("tpc_%028d", n), LogID: fmt.Sprintf("90%088d", n),
		Registration: dcr.RegistrationDCR, Name: strings.Repeat("<", 256), SourceIP: "192.0.2.1",
	}
	for i := range 32 {
		s.Callbacks = append(s.Callbacks, fmt.Sprintf("https://evil.example/%d/%s", i, strings.Repeat("\x01", 1000)))
	}
	return s
}

// refuseAll saves what the reconciler makes of them: it has the whole client.
func refuseAll(t *testing.T, l *store.Ledger, ss []dcr.Sighting) {
	t.Helper()
	var wg sync.WaitGroup
	for _, s := range ss {
		wg.Go(func() {
			r, err := l.Client(t.Context(), s.ClientID)
			if err != nil {
				t.Error(err)
				return
			}
			r.Phase, r.Reason, r.NextAttemptAt = dcr.Refused, dcr.CallbackNotAllowed, r.ReadyAt
			r.Name, r.Callbacks = strings.Repeat("<", 1<<20), append(s.Callbacks, s.Callbacks...)
			r.Message = "callback " + s.Callbacks[0] + " (1 of 64) is not on the allow-list"
			if settled, err := l.Save(t.Context(), dcr.Outcome{Record: r}); !settled || err != nil {
				t.Errorf("settled %v, error %v", settled, err)
			}
		})
	}
	wg.Wait()
}
