package feed

import "time"

// decoding is one run of a Decoder.
type decoding struct {
	window
	result   Result
	uses     map[string]int // where in result.Uses a client stands
	entry    entry          // the one in sight
	latest   time.Time
	readable int  // entries that could be read
	empty    bool // an empty array was seen
}

// all reads what stands at top level: entries, arrays of them, envelopes.
func (d *decoding) all() {
	for {
		switch c, ok := d.peek(); {
		case !ok:
			return
		case c == '[':
			d.pos++
			d.array()
		case c == '{':
			if d.object(false); d.entry.logs {
				d.envelope()
			}
		default:
			d.other(false)
		}
	}
}

// array reads an array's elements from behind its opening bracket. It is false
// if the input ends first.
func (d *decoding) array() bool {
	c, ok := d.peek()
	if ok && c == ']' {
		d.pos++
		d.empty = true
		return true
	}
	for {
		var good bool
		switch c, ok = d.peek(); {
		case !ok:
			d.bad(Truncated)
			return false
		case c == '{':
			good = d.object(true)
		default:
			good = d.other(true)
		}
		c, ok = d.peek()
		if ok && c != ',' && c != ']' && c != '{' {
			if good {
				d.bad(Syntax)
			}
			d.skipBroken(true)
			good = false
			c, ok = d.peek()
		}
		switch {
		case !ok:
			if good {
				d.bad(Truncated)
			}
			return false
		case c == ']':
			d.pos++
			return true
		case c == ',':
			d.pos++
		case good: // a brace without a comma; a broken element was left at one
			d.bad(Syntax)
		}
	}
}

// envelope reads {"logs":[…]} from behind the bracket, with whatever other
// members are there.
func (d *decoding) envelope() {
	if !d.array() {
		return
	}
	for {
		c, ok := d.peek()
		switch {
		case !ok:
			d.bad(Truncated)
			return
		case c == '}':
			d.pos++
			return
		case c != ',':
			d.bad(Syntax)
			d.skipLine()
			return
		}
		d.pos++
		d.peek()
		logs := false
		flaw := d.scan(func(b []byte, i int) (int, Flaw) {
			name, i, flaw := scanName(b, i)
			if flaw != none {
				return i, flaw
			}
			if i >= len(b) {
				return i, short
			}
			if logs = b[i] == '[' && memberOf(name) == mLogs; logs {
				return i + 1, none
			}
			return skipValue(b, i)
		})
		if flaw != none {
			d.bad(flaw)
			d.skipLine()
			return
		}
		if logs && !d.array() {
			return
		}
	}
}

// scan moves the window over what f scans, with as much in sight as f needs.
func (d *decoding) scan(f func(b []byte, i int) (int, Flaw)) Flaw {
	for {
		i, flaw := f(d.buf[:d.end], d.pos)
		if flaw == none {
			d.pos = i
		}
		if flaw != short {
			return flaw
		}
		if !d.fill() {
			if d.err != nil {
				return Truncated
			}
			return TooLarge
		}
	}
}

// other skips something that is no object. It is false if it is not well-formed
// either.
func (d *decoding) other(element bool) bool {
	from := d.offset()
	flaw := d.scan(skipValue)
	if flaw == none {
		d.badAt(from, NotObject)
		return true
	}
	d.badAt(from, flaw)
	if element {
		d.skipBroken(true)
	} else {
		d.skipLine()
	}
	return false
}

// object reads one entry, or the beginning of an envelope. It is false if it is
// not well-formed.
func (d *decoding) object(element bool) bool {
	from := d.offset()
	flaw := d.scan(func(b []byte, i int) (int, Flaw) {
		return scanEntry(b, i, &d.entry, !element)
	})
	switch {
	case flaw != none:
		d.entry.logs = false
		d.badAt(from, flaw)
		d.skipBroken(element)
		return false
	case d.entry.logs:
		return true
	case d.entry.broken != none:
		d.badAt(from, d.entry.broken)
		return true
	}
	d.readable++
	d.take(from)
	return true
}

// take counts an entry that could be read, and classifies it.
func (d *decoding) take(from int64) {
	at := d.date()
	if len(d.result.Samples) < maxSamples {
		d.result.Samples = append(d.result.Samples, d.entry.sample())
	}
	sightings, flaw := d.entry.classify(d.latest)
	if flaw != none {
		d.badAt(from, flaw)
		return
	}
	d.result.Received++
	d.result.Sightings = append(d.result.Sightings, sightings...)
	d.use(at)
}

// date is the entry's date, zero if it is too far ahead. The newest ones are
// kept.
func (d *decoding) date() time.Time {
	at := parseDate(d.entry.value(mDate), d.latest)
	if at.After(d.result.LastEventAt) {
		d.result.LastEventAt = at
	}
	if at.After(d.result.LastManagementAt) && d.entry.kind() == managementCall {
		d.result.LastManagementAt = at
	}
	return at
}

// bad counts a malformed entry where the window stands.
func (d *decoding) bad(f Flaw) { d.badAt(d.offset(), f) }

func (d *decoding) badAt(offset int64, f Flaw) {
	if len(d.result.Flawed) < maxSamples {
		d.result.Flawed = append(d.result.Flawed, Malformed{d.result.Received, offset, f})
	}
	d.result.Received++
	d.result.Malformed++
}
