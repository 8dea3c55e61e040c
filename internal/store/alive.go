package store

import "context"

// Answers returns once the ledger has both read something and been free to
// write, and so proves that neither hangs; it writes nothing. A ledger that
// answers with an error answers: what is wrong with it does not go away by
// waiting. It returns ctx's error when it was not the writer's turn in time; a
// read that hangs does not end with ctx.
func (l *Ledger) Answers(ctx context.Context) error {
	if _, err := l.Counts(ctx); err != nil {
		return err
	}
	select {
	case l.group.lead <- struct{}{}:
		<-l.group.lead
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
