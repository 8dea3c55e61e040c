package cli

import (
	"context"
	"io"
	"log/slog"
)

// The priorities that systemd's journal reads at the beginning of a line
// (sd-daemon(3)), so that journalctl -p warning shows what to look at.
const (
	priorityError   = "<3>"
	priorityWarning = "<4>"
	priorityInfo    = "<6>"
	priorityDebug   = "<7>"
)

// prioritized is a slog.Handler that begins each line with its priority: it
// hands a record to the one of its handlers that writes with that.
type prioritized struct{ err, warning, info, debug slog.Handler }

// newPrioritized makes a handler of those that make makes, which write to w.
func newPrioritized(w io.Writer, make func(io.Writer) slog.Handler) slog.Handler {
	to := func(priority string) slog.Handler { return make(prefixed{w, priority}) }
	return prioritized{to(priorityError), to(priorityWarning), to(priorityInfo), to(priorityDebug)}
}

func (p prioritized) of(l slog.Level) slog.Handler {
	switch {
	case l >= slog.LevelError:
		return p.err
	case l >= slog.LevelWarn:
		return p.warning
	case l >= slog.LevelInfo:
		return p.info
	}
	return p.debug
}

// Enabled implements slog.Handler.
func (p prioritized) Enabled(ctx context.Context, l slog.Level) bool { return p.of(l).Enabled(ctx, l) }

// Handle implements slog.Handler.
func (p prioritized) Handle(ctx context.Context, r slog.Record) error {
	return p.of(r.Level).Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (p prioritized) WithAttrs(all []slog.Attr) slog.Handler {
	return p.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(all) })
}

// WithGroup implements slog.Handler.
func (p prioritized) WithGroup(name string) slog.Handler {
	return p.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (p prioritized) each(of func(slog.Handler) slog.Handler) slog.Handler {
	return prioritized{of(p.err), of(p.warning), of(p.info), of(p.debug)}
}

// prefixed writes each line, which comes in one call, with a prefix.
type prefixed struct {
	io.Writer
	prefix string
}

// Write implements io.Writer.
func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.Writer.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
