package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"grantd/internal/dcr"
)

// ErrNothingReadable means that the input is empty, or that nothing in it is a
// log entry. An empty array is fine.
var ErrNothingReadable = errors.New("nothing readable")

// Limits bound what a Decoder takes.
type Limits struct {
	Bytes int64 // of one input, both as it comes and inflated; 0 means 10 MiB
	Entry int   // bytes of one entry; 0 means 1 MiB, less than 1 KiB counts as that
}

// Malformed is an entry that could not be used, without its content.
type Malformed struct {
	Index  int   // of the entry, from 0
	Offset int64 // of its first byte in the (inflated) input
	Flaw   Flaw
}

// String is for a log line.
func (m Malformed) String() string {
	return fmt.Sprintf("entry %d at byte %d: %s", m.Index, m.Offset, m.Flaw)
}

// maxSamples bounds Result.Samples and Result.Flawed.
const maxSamples = 5

// Result is what an input held.
type Result struct {
	Received         int            // entries, malformed ones included
	Malformed        int            // entries that could not be read, or name an impossible id
	Flawed           []Malformed    // the first few of those
	LastEventAt      time.Time      // newest date of any entry, whatever its type; zero when none had one
	LastManagementAt time.Time      // newest date of an entry of type sapi, likewise
	Sightings        []dcr.Sighting // in the order of the input; none of kind used
	Used             int            // entries that show a client at work
	Uses             []dcr.Use      // the newest of those, a client each
	Samples          []Sample       // of the first few entries that could be read
}

// Sample is what an entry is about, without ids or personal data.
type Sample struct {
	Type string
	Path string // of the Management API call, its first three segments
}

// maxAhead is how far into the future a date may lie, for clocks that differ.
// A date beyond is treated as absent: it would keep a feed from ever looking
// silent.
const maxAhead = time.Hour

// firstWindow is the size of a pooled window: some sixty entries.
const firstWindow = 64 << 10

// Decoder reads deliveries and pages of the tenant log. It holds nothing but
// buffers and is safe for concurrent use.
type Decoder struct {
	limits  Limits
	windows sync.Pool // *[]byte
	gzips   sync.Pool // *gzip.Reader
}

// NewDecoder returns a Decoder with these limits.
func NewDecoder(l Limits) *Decoder {
	if l.Bytes <= 0 {
		l.Bytes = 10 << 20
	}
	if l.Entry <= 0 {
		l.Entry = 1 << 20
	}
	l.Entry = max(l.Entry, 1<<10)
	return &Decoder{limits: l}
}

// Decode reads r to its end, in any of the forms of the package comment; gzip
// is known by its first bytes, whatever the headers said. A malformed entry is
// counted and skipped. now is only for dates that lie in the future.
//
// The error is ErrTooLarge, ErrNothingReadable (with the counts), or that of r,
// wrapped. Memory is bounded by one entry and the result, not by the input.
func (d *Decoder) Decode(r io.Reader, now time.Time) (Result, error) {
	wire := &meter{src: r, left: d.limits.Bytes}
	buf, ok := d.windows.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
		*buf = make([]byte, min(firstWindow, d.limits.Entry))
	}
	defer d.windows.Put(buf)
	run := decoding{
		window: window{src: wire, buf: *buf, max: d.limits.Entry},
		latest: now.Add(maxAhead),
	}
	// An error here comes again with the next read.
	run.end, _ = io.ReadFull(wire, run.buf[:len(gzipMagic)])
	if string(run.buf[:run.end]) == gzipMagic {
		z, err := d.inflater(wire)
		if err == nil {
			defer d.gzips.Put(z)
			run.src = &meter{src: z, left: d.limits.Bytes}
		}
		run.end, run.err = 0, err
	}
	run.fill()
	if bytes.HasPrefix(run.buf[:run.end], []byte(byteOrderMark)) {
		run.pos = len(byteOrderMark)
	}
	run.all()

	switch {
	case errors.Is(run.err, ErrTooLarge), errors.Is(wire.err, ErrTooLarge):
		return Result{}, ErrTooLarge
	case wire.err != nil:
		return Result{}, fmt.Errorf("read entries: %w", wire.err)
	case !errors.Is(run.err, io.EOF):
		run.bad(BadGzip)
	}
	if run.readable == 0 && (run.result.Received > 0 || !run.empty) {
		return run.result, ErrNothingReadable
	}
	return run.result, nil
}

const (
	gzipMagic     = "\x1f\x8b" // RFC 1952, section 2.3.1
	byteOrderMark = "\ufeff"
)

// inflater inflates wire, from which the magic bytes were read already.
func (d *Decoder) inflater(wire io.Reader) (*gzip.Reader, error) {
	wire = io.MultiReader(strings.NewReader(gzipMagic), wire)
	if z, ok := d.gzips.Get().(*gzip.Reader); ok {
		return z, z.Reset(wire)
	}
	return gzip.NewReader(wire)
}
