package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/dcr"
	"grantd/internal/feed"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

func TestTake(t *testing.T) {
	at := noon().Add(-time.Second)
	login := logged{id: "l1", kind: "s", at: at}
	tests := []struct {
		name, body string
		want       feed.Receipt
		kinds      map[dcr.SightingKind]int
		calls      []string
	}{
		{"a registration", lines(registers("l1", "tpc_a", at)), feed.Receipt{Received: 1, Sightings: 1, Registrations: 1},
			map[dcr.SightingKind]int{dcr.Registered: 1}, []string{"wake"}},
		{"nothing of interest", lines(logged{id: "l1", kind: "fp", at: at}, logged{id: "l2", kind: "seccft", at: at}), feed.Receipt{Received: 2}, nil, nil},
		{"clients at work, one of them twice", lines(login, logged{id: "l2", kind: "seacft", at: at}, login), feed.Receipt{Received: 3},
			map[dcr.SightingKind]int{dcr.Used: 3}, nil},
		{"an empty array", "[]", feed.Receipt{}, nil, nil},
		{"bad ones among good ones", lines(registers("l1", "tpc_a", at)) + "{broken\n" + lines(registers("l2", "../x", at), registers("l3", "tpc_b", at)),
			feed.Receipt{Received: 4, Sightings: 2, Registrations: 2, Malformed: 2}, map[dcr.SightingKind]int{dcr.Registered: 2}, []string{"wake"}},
		{"every kind", lines(registers("l1", "tpc_a", at), edits("l2", "tpc_a", at), denies("l3", "tpc_a", at), denies("l4", "tpc_b", at)),
			feed.Receipt{Received: 4, Sightings: 4, Registrations: 1}, map[dcr.SightingKind]int{dcr.Registered: 1, dcr.Changed: 1, dcr.Denied: 2}, []string{"wake"}},
		{"an entry twice in one delivery", lines(registers("l1", "tpc_a", at), registers("l1", "tpc_a", at)),
			feed.Receipt{Received: 2, Sightings: 1, Registrations: 1}, map[dcr.SightingKind]int{dcr.Registered: 1}, []string{"wake"}},
		{"an edited connection", lines(editsConnection("l1", at)), feed.Receipt{Received: 1, Sightings: 1},
			map[dcr.SightingKind]int{dcr.Changed: 1}, []string{"tenant changed", "wake"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it := newIntakeTest(t)
			if diff := cmp.Diff(tt.want, it.take(t, dcr.FeedWebhook, tt.body)); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.calls, it.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if len(it.taken) != 1 || it.taken[0].Receipt != tt.want || it.taken[0].Feed != dcr.FeedWebhook {
				t.Fatalf("told of %+v", it.taken)
			}
			if diff := cmp.Diff(tt.kinds, it.taken[0].Kinds); diff != "" && len(tt.kinds)+len(it.taken[0].Kinds) > 0 {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}

// What Take acknowledges is in the ledger, due, with its cause.
func TestTakeRecords(t *testing.T) {
	it := newIntakeTest(t)
	at := noon().Add(-3 * time.Second)
	it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_a", at), logged{id: "l2", kind: "s", at: at.Add(time.Second)}))
	r, err := it.ledger.Client(t.Context(), "tpc_a")
	if err != nil {
		t.Fatal(err)
	}
	if r.Phase != dcr.Pending || r.Class != dcr.Urgent || !r.RegisteredAt.Equal(at) || r.FirstSeenFeed != dcr.FeedWebhook || r.Cause.LogID != "l1" {
		t.Errorf("record: %+v", r)
	}
	want := dcr.FeedStatus{LastEventAt: at.Add(time.Second), LastManagementAt: at, LastDeliveryAt: noon(), Events: 2}
	if diff := cmp.Diff(want, it.status(t, dcr.FeedWebhook)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, it.taken[0].Status); diff != "" {
		t.Errorf("status told (-want +got):\n%s", diff)
	}
}

// The same delivery again changes nothing: no commit, nothing due, nobody woken.
func TestTakeAgain(t *testing.T) {
	it := newIntakeTest(t)
	body := lines(registers("l1", "tpc_a", noon()), edits("l2", "tpc_a", noon()))
	it.take(t, dcr.FeedWebhook, body)
	before, calls := it.file(t), len(it.calls)
	for range 3 {
		it.clock.advance(time.Hour)
		if got, want := it.take(t, dcr.FeedWebhook, body), (feed.Receipt{Received: 2}); got != want {
			t.Errorf("receipt = %+v, want %+v", got, want)
		}
	}
	if !bytes.Equal(before, it.file(t)) {
		t.Error("the ledger's file changed")
	}
	if len(it.calls) != calls {
		t.Errorf("calls: %v", it.calls[calls:])
	}
	if got := it.status(t, dcr.FeedWebhook).Events; got != 8 {
		t.Errorf("events = %d, want all 8 that ever came", got)
	}
}

// One delivery many times at once, by webhook and poll both: one sighting each.
func TestTakeConcurrently(t *testing.T) {
	it := newIntakeTest(t)
	body := lines(registers("l1", "tpc_a", noon()), registers("l2", "tpc_b", noon()))
	var wg sync.WaitGroup
	receipts := make([]feed.Receipt, 16)
	for i := range receipts {
		wg.Go(func() {
			f := dcr.FeedWebhook
			if i%2 == 0 {
				f = dcr.FeedPoll
			}
			var err error
			if receipts[i], err = it.Take(context.WithoutCancel(t.Context()), f, strings.NewReader(body)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, r := range receipts {
		sum += r.Registrations
	}
	if sum != 2 {
		t.Errorf("%d registrations, want 2", sum)
	}
	if diff := cmp.Diff([]string{"tpc_a", "tpc_b"}, it.clients(t)); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
}

func TestTakeDropsOwnWrites(t *testing.T) {
	it := newIntakeTest(t)
	it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_a", noon())))
	own := edits("l2", "tpc_a", noon())
	own.correlation = it.ledger.Prefix() + "42"
	strange := edits("l3", "tpc_a", noon())
	strange.correlation = "x" + it.ledger.Prefix()
	for _, f := range []dcr.Feed{dcr.FeedWebhook, dcr.FeedPoll} {
		calls := len(it.calls)
		if got, want := it.take(t, f, lines(own)), (feed.Receipt{Received: 1}); got != want || len(it.calls) != calls {
			t.Errorf("own write by %s: %+v, calls %v", f, got, it.calls[calls:])
		}
	}
	if got := it.take(t, dcr.FeedWebhook, lines(strange)); got.Sightings != 1 {
		t.Errorf("another's write: %+v", got)
	}
}

// failingLedger keeps nothing.
type failingLedger struct{ err error }

func (failingLedger) Prefix() string { return "grantd-" }
func (l failingLedger) Record(context.Context, store.Batch) (store.Recorded, error) {
	return store.Recorded{}, l.err
}

// Nothing is acknowledged that was not recorded.
func TestTakeLedgerFails(t *testing.T) {
	it := newIntakeTest(t)
	it.use(failingLedger{store.ErrUnavailable})
	r, err := it.Take(t.Context(), dcr.FeedWebhook, strings.NewReader(lines(registers("l1", "tpc_a", noon()))))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
	if r.Sightings != 0 || r.Registrations != 0 {
		t.Errorf("receipt = %+v", r)
	}
	if len(it.calls) != 0 || len(it.taken) != 0 {
		t.Errorf("calls %v, told of %+v", it.calls, it.taken)
	}
}

// What cannot be read to its end is not taken in part.
func TestTakeUnreadable(t *testing.T) {
	good := lines(registers("l1", "tpc_a", noon()))
	tests := []struct {
		name string
		body io.Reader
		want error
		rec  feed.Receipt
	}{
		{"empty", strings.NewReader(""), feed.ErrNothingReadable, feed.Receipt{}},
		{"garbage", strings.NewReader("garbage\n"), feed.ErrNothingReadable, feed.Receipt{Received: 1, Malformed: 1}},
		{"too large", strings.NewReader(good + strings.Repeat(" ", 2<<10)), feed.ErrTooLarge, feed.Receipt{}},
		{"connection lost", io.MultiReader(strings.NewReader(good), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF, feed.Receipt{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it := newIntakeTest(t, func(o *feed.IntakeOptions) { o.Limits.Bytes = 2 << 10 })
			r, err := it.Take(t.Context(), dcr.FeedWebhook, tt.body)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if r.Malformed != tt.rec.Malformed || r.Sightings != 0 {
				t.Errorf("receipt = %+v, want %+v", r, tt.rec)
			}
			if ids := it.clients(t); len(ids) > 0 || len(it.calls) > 0 {
				t.Errorf("taken: %v, calls %v", ids, it.calls)
			}
			if got := it.status(t, dcr.FeedWebhook); got != (dcr.FeedStatus{}) {
				t.Errorf("status = %+v", got)
			}
			if told := tt.rec.Malformed > 0; told != (len(it.taken) == 1) {
				t.Errorf("told of %+v", it.taken)
			}
		})
	}
}

// A hint may put a registration back, and nothing else.
func TestTakeDemotes(t *testing.T) {
	it := newIntakeTest(t, func(o *feed.IntakeOptions) {
		o.Demote = func(s dcr.Sighting) bool { return s.ClientID != "tpc_good" }
	})
	it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_bad", noon()), registers("l2", "tpc_good", noon())))
	for id, want := range map[string]dcr.Class{"tpc_bad": dcr.Background, "tpc_good": dcr.Urgent} {
		if r, err := it.ledger.Client(t.Context(), id); err != nil || r.Class != want {
			t.Errorf("%s: class %q, %v, want %q", id, r.Class, err, want)
		}
	}
	it.take(t, dcr.FeedWebhook, lines(edits("l3", "tpc_bad", noon())))
	if r, err := it.ledger.Client(t.Context(), "tpc_bad"); err != nil || r.Class != dcr.Urgent {
		t.Errorf("edited: class %q, %v, want urgent", r.Class, err)
	}
}

// Nor does a grant of another API make a client urgent, as far as the log says.
func TestTakeDemotesGrantsOfOthers(t *testing.T) {
	const ours = storetest.Audience
	tests := []struct {
		name            string
		asked, answered string
		want            dcr.Class
	}{
		{"ours", ours, ours, dcr.Urgent},
		{"of another", "https://other", "https://other", dcr.Background},
		{"the answer has the last word", "https://other", ours, dcr.Urgent},
		{"in the request alone", "https://other", "", dcr.Background},
		{"not said", "", "", dcr.Urgent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it := newIntakeTest(t, func(o *feed.IntakeOptions) {
				o.Demote = func(s dcr.Sighting) bool { return s.Kind == dcr.Registered || s.Audience != ours }
			})
			it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_a", noon())))
			grant := logged{
				id: "l2", kind: "sapi", at: noon(), method: "patch", path: "/api/v2/client-grants/cgr_1", status: 200,
				request: map[string]any{"audience": tt.asked}, response: map[string]any{"client_id": "tpc_a", "audience": tt.answered},
			}
			if got := it.take(t, dcr.FeedWebhook, lines(grant)); got.Sightings != 1 {
				t.Errorf("receipt %+v", got)
			}
			if r, err := it.ledger.Client(t.Context(), "tpc_a"); err != nil || r.Class != tt.want || r.Cause.LogID != "l2" {
				t.Errorf("class %q, cause %+v, %v, want %q", r.Class, r.Cause, err, tt.want)
			}
		})
	}
}

// The log shows what kind of thing arrives, seldom, and never what it says.
func TestTakeSample(t *testing.T) {
	it := newIntakeTest(t)
	it.take(t, dcr.FeedPoll, lines(registers("l0", "tpc_polled", noon())))
	it.take(t, dcr.FeedWebhook, "[]")
	if it.log.Len() > 0 {
		t.Errorf("logged without a delivery: %s", it.log)
	}
	it.take(t, dcr.FeedWebhook, lines(registers("l1", "tpc_secret", noon()), edits("l2", "tpc_secret", noon()), edits("l3", "tpc_secret", noon()), logged{id: "l4", kind: "s", at: noon()}))
	const want = `level=INFO msg=[webhook:sample] types="[sapi s]" paths="[/oidc/register /api/v2/clients/…]"`
	if !strings.Contains(it.log.String(), want) {
		t.Errorf("log = %s, want %s", it.log, want)
	}
	for _, private := range []string{"tpc_secret", "203.0.113.7", "ChatGPT", "the_caller"} {
		if strings.Contains(it.log.String(), private) {
			t.Errorf("the log shows %s: %s", private, it.log)
		}
	}
	for i := range 120 {
		it.take(t, dcr.FeedWebhook, lines(logged{id: fmt.Sprint("m", i), kind: "s", at: noon()}))
		it.clock.advance(time.Second)
	}
	if n := strings.Count(it.log.String(), "[webhook:sample]"); n != 2 && n != 3 {
		t.Errorf("%d samples in two minutes:\n%s", n, it.log)
	}
}

// Malformed entries are told of by place and flaw, and not without end.
func TestTakeLogsMalformed(t *testing.T) {
	it := newIntakeTest(t)
	body := `{"type":"s"}` + "\n" + `{"secret":"hunter2"` + "\n"
	for range 60 {
		it.take(t, dcr.FeedWebhook, body)
		it.clock.advance(time.Second)
	}
	got := it.log.String()
	if n := strings.Count(got, "level=WARN"); n < 1 || n > 6 {
		t.Errorf("%d lines in a minute", n)
	}
	if !strings.Contains(got, "received=2 malformed=1") || !strings.Contains(got, "entry 1 at byte 13") {
		t.Errorf("the line does not say which: %s", got)
	}
	if strings.Contains(got, "hunter2") {
		t.Errorf("the log shows content: %s", got)
	}
}

// What is new is split by kind, whatever old entries come along.
func TestTakeKindsOfAMixedDelivery(t *testing.T) {
	it := newIntakeTest(t)
	old := lines(registers("l1", "tpc_a", noon()), edits("l2", "tpc_a", noon()))
	it.take(t, dcr.FeedWebhook, old)
	it.take(t, dcr.FeedWebhook, old+lines(registers("l3", "tpc_b", noon()), denies("l4", "tpc_a", noon())))
	want := map[dcr.SightingKind]int{dcr.Registered: 1, dcr.Denied: 1}
	if diff := cmp.Diff(want, it.taken[1].Kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// An edit of a connection or an API that is not ours changes nothing.
func TestTakeConcerns(t *testing.T) {
	asked := []string{}
	it := newIntakeTest(t, func(o *feed.IntakeOptions) {
		o.Concerns = func(s dcr.Sighting) bool {
			asked = append(asked, s.ConnectionID+s.APIID)
			return s.ConnectionID == "con_1"
		}
	})
	api := func(id string) logged {
		return logged{id: "l" + id, kind: "sapi", at: noon(), method: "patch", path: "/api/v2/resource-servers/" + id, status: 200}
	}
	strange := editsConnection("l1", noon())
	strange.path, strange.response = "/api/v2/connections/con_2", nil
	it.take(t, dcr.FeedWebhook, lines(registers("l0", "tpc_a", noon()), edits("l2", "tpc_a", noon())))
	it.calls = nil
	if got, want := it.take(t, dcr.FeedWebhook, lines(strange, api("rs_2"))), (feed.Receipt{Received: 2}); got != want {
		t.Errorf("of others: %+v, want %+v", got, want)
	}
	if len(it.calls) > 0 {
		t.Errorf("an edit of others: %v", it.calls)
	}
	own := editsConnection("l3", noon())
	own.correlation = it.ledger.Prefix() + "1"
	if got := it.take(t, dcr.FeedWebhook, lines(own, editsConnection("l4", noon()))); got.Sightings != 1 {
		t.Errorf("of ours: %+v", got)
	}
	if want := []string{"tenant changed", "wake"}; !slices.Equal(it.calls, want) {
		t.Errorf("an edit of ours: %v, want %v", it.calls, want)
	}
	if want := []string{"con_2", "rs_2", "con_1"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
}
