package http

import (
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
)

// awaited is how much of a body is waited for before it is given a place among
// those that are read. It is all of most deliveries; 1024 of them take at most 32 MiB.
const awaited = 16 << 10

// body remembers why a request's body could not be read to its end, so that
// this is not taken for a failure of whoever read it. Inflating it is up to
// the reader.
type body struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// tooLarge reports whether the body went over the limit on the wire.
func (b *body) tooLarge() bool {
	_, ok := errors.AsType[*nethttp.MaxBytesError](b.err)
	return ok
}

// await waits for the beginning of the body, or all of it. Callers who send
// slowly hold only what they sent meanwhile, and no place of others. What goes
// wrong comes again with the next read.
func (b *body) await() {
	var begin bytes.Buffer
	_, _ = begin.ReadFrom(io.LimitReader(b, awaited))
	rest := b.Reader
	if b.err != nil {
		rest = failed{b.err}
	}
	b.Reader = io.MultiReader(&begin, rest)
}

// failed is a body that could not be read any further.
type failed struct{ err error }

// Read implements io.Reader.
func (f failed) Read([]byte) (int, error) { return 0, f.err }
