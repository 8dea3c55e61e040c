package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"grantd/internal/dcr"
	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// Some tests run this binary again as a process of its own, to kill it or to
// take something away from it. The variables say what it is to do.
const (
	childEnv = "GRANTD_STORE_TEST_CHILD"
	pathEnv  = "GRANTD_STORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	path := os.Getenv(pathEnv)
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "write":
		childWrite(path)
	case "limited":
		childLimited(path)
	case "nobody":
		childNobody(path)
	case "upkeep":
		childUpkeep(path)
	case "secure":
		childSecure(path)
	case "sweep":
		childSweep(path)
	}
}

// child is the command that runs the test binary as a child.
func child(t testing.TB, what, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+what, pathEnv+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func childOpen(path string, change ...func(*store.Options)) (*store.Ledger, error) {
	o := store.Options{Path: path, Tenant: storetest.Tenant, Audience: storetest.Audience}
	for _, f := range change {
		f(&o)
	}
	return store.Open(context.Background(), o)
}

// childWrite records and settles clients for ever, several at a time, and says
// which ones were acknowledged.
func childWrite(path string) {
	l, err := childOpen(path)
	must(err)
	ctx := context.Background()
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("tpc_%d_%d_%d", os.Getpid(), w, i)
				_, err := l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{registered(id, id)}, Status: dcr.FeedStatus{Events: 1}})
				must(err)
				if i%2 == 1 {
					r, err := l.Client(ctx, id)
					must(err)
					r.Phase, r.NextAttemptAt = dcr.Ready, r.ReadyAt
					_, err = l.Save(ctx, dcr.Outcome{Record: r, Changes: []dcr.Change{{Step: dcr.StepGrant}}})
					must(err)
				}
				fmt.Println(id) // one write: what arrives is whole
			}
		}()
	}
	select {}
}

// childLimited lives with files of at most 256 KiB, as on a full disk.
func childLimited(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	old := limit
	limit.Cur = 256 << 10
	must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	l, err := childOpen(path)
	must(err)
	must(fill(l, func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) }))
	fmt.Println("held")
}

// childNobody tries to open a ledger as a user who may not write it.
func childNobody(path string) {
	must(syscall.Setgid(65534))
	must(syscall.Setuid(65534))
	_, err := childOpen(path)
	fmt.Println(errors.Is(err, store.ErrUnavailable), err)
	l, err := childOpen(path, func(o *store.Options) { o.ReadOnly = true })
	must(err)
	_, err = l.Client(context.Background(), "tpc_a")
	must(err)
	fmt.Println("read")
}

// fill records until the disk is full, makes room, and checks that everything
// acknowledged is there, nothing else is, and recording works again.
func fill(l *store.Ledger, makeRoom func() error) error {
	ctx := context.Background()
	var acknowledged []string
	var full error
	for i := 0; full == nil; i++ {
		s := registered(fmt.Sprintf("tpc_%d", i), fmt.Sprint(i))
		s.Name = strings.Repeat("x", 200)
		if _, full = l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{s}, Status: dcr.FeedStatus{Events: 1}}); full == nil {
			acknowledged = append(acknowledged, s.ClientID)
		}
	}
	if !errors.Is(full, store.ErrUnavailable) || len(acknowledged) == 0 {
		return fmt.Errorf("after %d clients: %w", len(acknowledged), full)
	}
	if err := holds(l, acknowledged); err != nil {
		return fmt.Errorf("while full: %w", err)
	}
	if err := makeRoom(); err != nil {
		return err
	}
	if _, err := l.Record(ctx, store.Batch{Feed: dcr.FeedWebhook, Sightings: []dcr.Sighting{registered("late", "late")}, Status: dcr.FeedStatus{Events: 1}}); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return holds(l, append(acknowledged, "late"))
}

// holds checks that the ledger is sound and holds exactly the given clients.
func holds(l *store.Ledger, ids []string) error {
	ctx := context.Background()
	for _, id := range ids {
		if _, err := l.Client(ctx, id); err != nil {
			return err
		}
	}
	counts, err := l.Counts(ctx)
	if err != nil {
		return err
	}
	feeds, err := l.Feeds(ctx)
	if err != nil {
		return err
	}
	if n := counts[dcr.Pending]; n != len(ids) || feeds[dcr.FeedWebhook].Events != uint64(len(ids)) {
		return fmt.Errorf("%d clients and %d events, acknowledged %d", n, feeds[dcr.FeedWebhook].Events, len(ids))
	}
	return l.Check(ctx)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lines sends what a child prints.
func lines(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ch := make(chan string)
	go func() {
		defer close(ch)
		for s := bufio.NewScanner(out); s.Scan(); {
			ch <- s.Text()
		}
	}()
	return ch
}
