package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"grantd/internal/config"
)

// schedule runs jobs by cron specification. A job that is still running is not
// started again, and a panic ends one run, not the job: the order of the chain
// matters, for the other way round one panic would stop the job for ever. Its
// methods may be called concurrently: a reload may come at any time.
type schedule struct {
	cron *cron.Cron
	ctx  context.Context // of the jobs; set by run and start

	mu      sync.Mutex
	entries map[string]entry
}

type entry struct {
	id   cron.EntryID
	spec string
	job  func(context.Context)
}

// newSchedule returns a schedule that runs nothing before start.
func newSchedule(log *slog.Logger) *schedule {
	l := cronLogger{log}
	return &schedule{
		cron:    cron.New(cron.WithLogger(l), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger), cron.Recover(l))),
		entries: map[string]entry{},
	}
}

// set makes the job run by spec from now on; "off" stops it. The specification
// was validated with the configuration.
func (s *schedule) set(name, spec string, job func(context.Context)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.entries[name]; ok {
		if old.spec == spec {
			return nil
		}
		s.cron.Remove(old.id)
		delete(s.entries, name)
	}
	if spec == config.Off {
		return nil
	}
	return s.add(name, spec, job)
}

// add schedules the job. The caller holds mu.
func (s *schedule) add(name, spec string, job func(context.Context)) error {
	id, err := s.cron.AddFunc(spec, func() { job(s.ctx) })
	if err != nil {
		return err
	}
	s.entries[name] = entry{id: id, spec: spec, job: job}
	return nil
}

// restart plans all jobs anew from the present time, which may be another than
// it was: cron would wait for a time that was planned before the clock was set.
func (s *schedule) restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		s.cron.Remove(e.id)
		if err := s.add(name, e.spec, e.job); err != nil {
			return err
		}
	}
	return nil
}

// run runs the job now, if it is scheduled at all, and returns when it has
// ended. It is for before start.
func (s *schedule) run(ctx context.Context, name string) {
	s.ctx = ctx
	if job := s.wrapped(name); job != nil {
		job.Run()
	}
}

// wrapped is the job with its chain, nil when it is not scheduled.
func (s *schedule) wrapped(name string) cron.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[name]
	if !ok {
		return nil
	}
	return s.cron.Entry(e.id).WrappedJob
}

// next is when the job would have run for the first time after t.
func (s *schedule) next(name string, t time.Time) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[name]
	if !ok {
		return time.Time{}, false
	}
	return s.cron.Entry(e.id).Schedule.Next(t), true
}

// start runs the jobs with ctx from now on.
func (s *schedule) start(ctx context.Context) {
	s.ctx = ctx
	s.cron.Start()
}

// stop waits for the running jobs, whose context has ended by then.
func (s *schedule) stop() { <-s.cron.Stop().Done() }

// cronLogger shows cron's errors and hides its chatter.
type cronLogger struct{ log *slog.Logger }

func (cronLogger) Info(string, ...any) {}

func (l cronLogger) Error(err error, msg string, kv ...any) {
	l.log.Error("scheduled job: "+msg, append(kv, "error", err)...)
}
