package feed

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLarge means that the input is longer than Limits.Bytes, as it came or
// inflated.
var ErrTooLarge = errors.New("input too large")

// meter reads at most left bytes of src; one more is ErrTooLarge. It keeps its
// error, and gives up on a reader that keeps reading nothing.
type meter struct {
	src  io.Reader
	left int64
	err  error // other than io.EOF
	idle int
}

// maxIdle is how often in a row a reader may read nothing.
const maxIdle = 100

func (m *meter) Read(p []byte) (int, error) {
	if int64(len(p)) > m.left+1 {
		p = p[:m.left+1]
	}
	n, err := m.src.Read(p)
	if int64(n) > m.left {
		n, err = int(m.left), ErrTooLarge
	}
	m.left -= int64(n)
	if m.idle++; n > 0 {
		m.idle = 0
	} else if err == nil && m.idle > maxIdle {
		err = io.ErrNoProgress
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// window slides over the input: buf[pos:end] is what is in sight and not yet
// consumed. It holds an entry in one piece, and grows up to max bytes for one
// that needs it.
type window struct {
	src      io.Reader
	buf      []byte
	pos, end int
	base     int64 // offset of buf[0] in the (inflated) input
	max      int
	err      error // why there is no more to come; io.EOF at the end
}

// offset is where the window stands in the input.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// fill brings more into sight. It is false when there is no more, and when the
// window is full, which w.err tells apart. It reads until the window is full,
// not what a single Read has, so that a slow sender costs no repeated scans.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.pos > 0 {
		copy(w.buf, w.buf[w.pos:w.end])
		w.base += int64(w.pos)
		w.end -= w.pos
		w.pos = 0
	}
	if w.end == len(w.buf) {
		if w.end >= w.max {
			return false
		}
		w.buf = append(make([]byte, 0, min(2*w.end, w.max)), w.buf...)
		w.buf = w.buf[:cap(w.buf)]
	}
	before := w.end
	for w.end < len(w.buf) && w.err == nil {
		var n int
		n, w.err = w.src.Read(w.buf[w.end:])
		w.end += n
	}
	if errors.Is(w.err, io.EOF) {
		// A space ends a number that would else be short.
		w.buf = append(w.buf[:w.end], ' ')
		w.end++
	}
	return w.end > before
}

// peek is the next byte that is not white space; false at the end.
func (w *window) peek() (byte, bool) {
	for {
		w.pos = skipSpace(w.buf[:w.end], w.pos)
		if w.pos < w.end {
			return w.buf[w.pos], true
		}
		if !w.fill() {
			return 0, false
		}
	}
}

// skipLine consumes the rest of the line.
func (w *window) skipLine() {
	for {
		if i := bytes.IndexByte(w.buf[w.pos:w.end], '\n'); i >= 0 {
			w.pos += i + 1
			return
		}
		w.pos = w.end
		if !w.fill() {
			return
		}
	}
}

// skipBroken consumes something that is not well-formed, or too large to be
// held, by its strings and brackets alone: up to the bracket that closes it,
// or among other elements of an array up to the comma or bracket behind it.
// No string goes over a line's end, and a line that begins with a brace is a
// new entry: a broken one spoils no other line.
func (w *window) skipBroken(element bool) {
	depth := 0
	text, escaped, newLine := false, false, false
	for {
		if w.pos == w.end && !w.fill() {
			return
		}
		c := w.buf[w.pos]
		switch {
		case newLine && c == '{':
			return
		case c == '\n':
			text, escaped = false, false
		case escaped:
			escaped = false
		case text:
			escaped, text = c == '\\', c != '"'
		case c == '"':
			text = true
		case c == '{', c == '[':
			depth++
		case element && depth == 0 && (c == ',' || c == ']'):
			return
		case (c == '}' || c == ']') && depth > 0:
			if depth--; depth == 0 && !element {
				w.pos++
				return
			}
		}
		newLine = c == '\n'
		w.pos++
	}
}
