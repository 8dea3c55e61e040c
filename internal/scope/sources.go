package scope

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"grantd/internal/watch"
)

// Keeper keeps small values across restarts; the ledger is one.
type Keeper interface {
	// Fact returns what SetFact kept under key, nil if nothing.
	Fact(ctx context.Context, key string) ([]byte, error)
	// SetFact keeps value under key.
	SetFact(ctx context.Context, key string, value []byte) error
}

// Change is that a source reads otherwise than before, or was configured
// otherwise, for the journal. What it no longer reads may stay in force for a
// while. Both sets are sorted and within the ceiling; nil is a source that said
// nothing, or is none.
type Change struct {
	At     time.Time
	Source Kind
	Before []string
	After  []string
}

// Config is what the desired scopes come from.
type Config struct {
	Fixed    []string // TOOL_SCOPES and REQUIRED_SCOPES together, checked, in any order
	File     string   // an absolute path, or empty
	URL      string   // one that CheckURL takes, or empty
	Resource string   // OAUTH_AUDIENCE
	Ceiling  Ceiling  // of File and URL
}

// Options of Sources. Keeper and Logger are required.
type Options struct {
	Config Config
	Keeper Keeper
	Logger *slog.Logger
	Now    func() time.Time // stamps what is told; time.Now if nil. Durations have a clock of their own
	// Transport fetches the URL; nil is one of grantd's own.
	Transport http.RoundTripper
	// Interval is between two readings of the URL without a reason, and of the
	// file too, should its watch fail; a minute if zero.
	Interval time.Duration
	// Settle is for how long a source must read the same before what it no
	// longer names is taken away; 30 s if zero.
	Settle time.Duration
	// OnChange hears that the union is another, or is known or not known now,
	// and of the sources that read otherwise (of each at most one Change since
	// the last call, and maybe none). Run alone calls it, one call at a time and
	// under no lock, after the fact: Scopes may be further by then. What Set,
	// Refresh and New found is told by Run as well. May be nil.
	OnChange func(context.Context, []Change)
	// Watch calls changed whenever the file at path may have changed, until ctx
	// ends; watch.File if nil.
	Watch func(ctx context.Context, path string, changed func())
}

// Sources are the desired scopes. All methods may be called concurrently, but
// Run only once.
type Sources struct {
	o      Options
	client *http.Client
	news   chan struct{} // there may be something for Run: a source to follow, a change to tell

	setting chan struct{} // held by Set and Refresh
	keeping sync.Mutex    // held while values go to the keeper, in their order

	mu      sync.Mutex
	config  Config
	sources []*source // at most one of each kind, in the order of kinds
	changes map[Kind]Change
	told    []string // the union as OnChange knows it
	known   bool     // and whether it was known
}

// New restores what the sources said last and then reads the file; it makes no
// request. A bad file is no error, see Failing. It fails if the keeper does.
func New(ctx context.Context, o Options) (*Sources, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval == 0 {
		o.Interval = time.Minute
	}
	if o.Settle == 0 {
		o.Settle = 30 * time.Second
	}
	if o.Watch == nil {
		o.Watch = func(ctx context.Context, path string, changed func()) { watch.File(ctx, path, o.Logger, changed) }
	}
	s := &Sources{
		o: o, client: newClient(o.Transport), config: o.Config,
		news: make(chan struct{}, 1), setting: make(chan struct{}, 1), changes: map[Kind]Change{},
	}
	var err error
	if s.sources, err = s.prepare(ctx, o.Config); err != nil {
		return nil, fmt.Errorf("restore scopes: %w", err)
	}
	for _, src := range s.sources {
		if src.kind == File {
			s.read(ctx, src)
		}
	}
	s.told, s.known = s.union()
	return s, nil
}

// Scopes are the desired scopes: the fixed ones and what the sources say, each
// once, sorted. known is false while a source that is configured has never said
// anything, even if there are fixed scopes: an earlier grant may hold what it
// would say. It is false as well if there is no scope at all. Nothing must be
// granted or taken away then.
func (s *Sources) Scopes() (scopes []string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.union()
}

func (s *Sources) union() (scopes []string, known bool) {
	sets, known := [][]string{s.config.Fixed}, true
	for _, src := range s.sources {
		sets = append(sets, src.inForce())
		known = known && src.told
	}
	scopes = union(sets...)
	return scopes, known && len(scopes) > 0
}

// Failing are the sources that could not be read, or held nothing, when they
// were last looked at. What they said before is in force.
func (s *Sources) Failing() []Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Failure
	for _, src := range s.sources {
		if src.failure != nil {
			all = append(all, *src.failure)
		}
	}
	return all
}

// note keeps a change for OnChange, as one with those it was not told of yet.
// The caller holds the mutex.
func (s *Sources) note(kind Kind, before, after []string) {
	if was, ok := s.changes[kind]; ok {
		before = was.Before
	}
	if slices.Equal(before, after) {
		delete(s.changes, kind)
		return
	}
	s.changes[kind] = Change{s.o.Now(), kind, before, after}
}

// tell calls OnChange while there is something to tell.
func (s *Sources) tell(ctx context.Context) {
	for {
		s.mu.Lock()
		var changes []Change
		for _, kind := range kinds() {
			if c, ok := s.changes[kind]; ok {
				changes = append(changes, c)
			}
		}
		scopes, known := s.union()
		same := known == s.known && slices.Equal(scopes, s.told)
		s.told, s.known = scopes, known
		clear(s.changes)
		s.mu.Unlock()
		if same && len(changes) == 0 {
			return
		}
		if s.o.OnChange != nil {
			// What was told is told once: a defect there is not met again by itself.
			_ = contain(s.o.Logger, "tell of a change of scopes", func() { s.o.OnChange(ctx, changes) })
		}
	}
}

// signal wakes Run.
func (s *Sources) signal() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
