package http

import (
	"errors"
	"io"
	nethttp "net/http"
)

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
