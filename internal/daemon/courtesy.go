package daemon

import (
	"context"
	"time"

	"grantd/internal/auth0"
	"grantd/internal/dcr"
)

const (
	// asker is on whose account the calls of commands that only look are made
	// once they have waited enough.
	asker = "command"
	// doctorWaits and explainWaits are for how long such a command stands back
	// behind registrations. Then it takes turns with them: a person waits.
	doctorWaits, explainWaits = 30 * time.Second, 5 * time.Second
)

// standBack has calls made with the context go after those of registrations,
// which they would share the rate limit with, for at most so long. Where no
// daemon runs there are none.
func (e *Engine) standBack(ctx context.Context, atMost time.Duration) (_ context.Context, done func()) {
	if !e.serving {
		return ctx, func() {}
	}
	enough := make(chan struct{})
	timer := time.AfterFunc(atMost, func() { close(enough) })
	ctx = auth0.WithCall(ctx, dcr.Background, asker)
	return auth0.WithHurry(ctx, enough), func() { timer.Stop() }
}
