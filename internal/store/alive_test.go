package store_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/store"
	"grantd/internal/store/storetest"
)

// A ledger answers unless a commit hangs, and again once that is over. Asking
// commits nothing.
func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := storetest.Open(t)
		before := l.Commits()
		asked := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return l.Answers(ctx)
		}
		if err := asked(); err != nil {
			t.Errorf("at rest: %v", err)
		}
		if n := l.Commits() - before; n != 0 {
			t.Errorf("asking took %d commits", n)
		}
		release := make(chan struct{})
		ended := make(chan error, 1)
		go func() { ended <- store.Hang(l, release) }()
		synctest.Wait()
		if err := asked(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while a commit hangs: %v", err)
		}
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := asked(); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// A closed ledger says so.
func TestAnswersClosed(t *testing.T) {
	l := storetest.Open(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Answers(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
