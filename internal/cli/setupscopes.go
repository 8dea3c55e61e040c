package cli

import (
	"context"
	"fmt"
	"log/slog"

	"grantd/internal/scope"
)

// forgetful keeps nothing of scope sources: they are read once.
type forgetful struct{}

// Fact implements scope.Keeper.
func (forgetful) Fact(context.Context, string) ([]byte, error) { return nil, nil }

// SetFact implements scope.Keeper.
func (forgetful) SetFact(context.Context, string, []byte) error { return nil }

// scopes are those that the daemon will grant: fixed ones, and what file and URL
// say now.
func (p *preparation) scopes(ctx context.Context) ([]string, error) {
	c := p.config
	fixed, _ := scope.SplitLogin(c.Scopes())
	if c.ScopesFile == "" && c.ScopesURL == "" {
		return fixed, nil
	}
	s, err := scope.New(ctx, scope.Options{
		Config: scope.Config{Fixed: fixed, File: c.ScopesFile, URL: c.ScopesURL, Resource: c.Audience, Ceiling: c.ScopeCeiling},
		Keeper: forgetful{}, Logger: logger(p.cmd.ErrOrStderr(), c.LogFormat, slog.LevelError),
	})
	if err != nil {
		return nil, fmt.Errorf("read scopes: %w", err)
	}
	s.Refresh(ctx)
	all, known := s.Scopes()
	if !known {
		p.unread = true
	}
	return all, nil
}
