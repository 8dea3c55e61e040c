package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Fact returns what SetFact kept under key, nil if nothing.
func (l *Ledger) Fact(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := l.view(ctx, func(t tx) error {
		value = bytes.Clone(t.facts().Get([]byte(key)))
		return nil
	})
	return value, err
}

// SetFact keeps a small value under key, which must not be empty, across
// restarts. The value belongs to the caller; the ledger does not look at it.
func (l *Ledger) SetFact(ctx context.Context, key string, value []byte) error {
	if key == "" {
		return errors.New("set fact: the key is empty")
	}
	err := l.update(ctx, func(t tx) error { return t.facts().Put([]byte(key), value) })
	if err != nil {
		return fmt.Errorf("set fact %s: %w", key, err)
	}
	return nil
}
