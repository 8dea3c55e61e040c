package scope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"grantd/internal/dcr"
)

// apply takes in a reading of src and logs what is new about it. The caller
// holds the mutex.
func (s *Sources) apply(src *source, r reading, atOnce bool) {
	atOnce = atOnce || !src.tried // the first look after a start
	src.tried = true
	within, beyond := s.config.Ceiling.Limit(r.scopes)
	if r.err == nil && len(within) == 0 {
		r.err = errors.New("holds no scopes")
		if len(beyond) > 0 {
			r.err = errors.New("holds no scopes within GRANTD_SCOPE_CEILING")
		}
	}
	if r.err != nil {
		s.failed(src, r.err)
		return
	}
	if src.failure != nil {
		s.o.Logger.Info("scope source is good again", "source", src.kind, "failed_for", s.o.Now().Sub(src.failure.Since).Round(time.Second))
	}
	if !slices.Equal(beyond, src.beyond) && len(beyond) > 0 {
		s.o.Logger.Warn("scopes beyond GRANTD_SCOPE_CEILING are left out", "source", src.kind, "scopes", some(beyond))
	}
	src.failure, src.attempts, src.beyond = nil, 0, beyond
	waits := !src.missing.IsZero()
	before := src.newest
	src.accept(within, r.at, s.o.Settle, atOnce)
	s.note(src.kind, before, within)
	if !waits && !src.missing.IsZero() {
		s.o.Logger.Warn("scope source reads less than before; what is missing stays until it has read the same for a while",
			"source", src.kind, "missing", some(dcr.Without(src.good, within)), "for", s.o.Settle)
	}
}

// failed keeps what src said last, and logs a failure unless it is the one of
// before.
func (s *Sources) failed(src *source, err error) {
	src.attempts++
	src.missing = time.Time{} // a failure in between: waiting begins anew
	was := src.failure
	src.failure = &Failure{src.kind, err, s.o.Now()}
	if was != nil {
		src.failure.Since = was.Since
		if class(was.Err) == class(err) {
			return
		}
	}
	level, effect := slog.LevelWarn, "what it said last stays in force"
	if !src.told {
		level, effect = slog.LevelError, "it has never said anything, so nothing is granted until it does"
	}
	s.o.Logger.Log(context.Background(), level, "scope source fails; "+effect,
		"source", src.kind, "variable", src.kind.variable(), "error", err)
}

// class is the same for errors that differ in addresses and ports only.
func class(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprint("dns ", dns.Name, dns.IsNotFound)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// some is a list for a log line, cut.
func some(scopes []string) string {
	const most = 20
	if more := len(scopes) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(scopes[:most], " "), more)
	}
	return strings.Join(scopes, " ")
}
