package watch

import (
	"context"
	"log/slog"
	"time"
)

// FileEvery is File with another time between the looks by clock.
func FileEvery(ctx context.Context, path string, every time.Duration, log *slog.Logger, changed func()) {
	file(ctx, path, every, log, changed)
}
