package feed

import "bytes"

// member is a member of an entry that matters.
type member uint8

const (
	mType member = iota
	mDate
	mLogID
	mID // "_id", the Logs API's second name for log_id
	mDescription
	mDetails
	mClientID
	mUserID
	mIP
	mReferences
	mCount // how many there are
	// Those below matter in a wrapper and an envelope only.
	mData
	mLogs
	mOther
)

// memberOf finds a member by its name as it stands between the quotes.
func memberOf(name []byte) member {
	switch string(name) {
	case "type":
		return mType
	case "date":
		return mDate
	case "log_id":
		return mLogID
	case "_id":
		return mID
	case "description":
		return mDescription
	case "details":
		return mDetails
	case "client_id":
		return mClientID
	case "user_id":
		return mUserID
	case "ip":
		return mIP
	case "references":
		return mReferences
	case "data":
		return mData
	case "logs":
		return mLogs
	}
	// An escaped name is the same name.
	if bytes.IndexByte(name, '\\') >= 0 {
		if plain := []byte(unescape(name)); bytes.IndexByte(plain, '\\') < 0 {
			return memberOf(plain)
		}
	}
	return mOther
}

// span is a piece of a buffer, from its first byte to behind its last; the zero
// span is none.
type span struct{ from, to int }

// entry is where the members of one log entry stand in the buffer it was
// scanned in.
type entry struct {
	buf     []byte
	raw     span // the entry without its wrapper
	outer   [mCount]span
	inner   [mCount]span // in the wrapper's "data"
	wrapped bool
	logs    bool // not an entry but {"logs":[, scanned up to behind the bracket
	broken  Flaw // NoType or Repeated, noticed on the way
}

// value is a member of the entry.
func (e *entry) value(m member) value {
	s := e.outer[m]
	if e.wrapped {
		s = e.inner[m]
	}
	return e.slice(s)
}

// wrapperLogID is the wrapper's log_id, which a bare entry has not.
func (e *entry) wrapperLogID() value {
	if !e.wrapped {
		return nil
	}
	return e.slice(e.outer[mLogID])
}

func (e *entry) slice(s span) value {
	if s.to == 0 || e.buf[s.from] == 'n' { // null
		return nil
	}
	return value(e.buf[s.from:s.to])
}

// scanEntry scans the object at b[i] in one pass, or the beginning of an
// envelope if it may be one. The flaw returned is one of structure; what is
// wrong besides stands in e.broken, and the scan can go on behind the entry.
func scanEntry(b []byte, i int, e *entry, envelope bool) (int, Flaw) {
	*e = entry{buf: b}
	from := i
	i, flaw := e.object(b, i, &e.outer, true, envelope)
	if flaw != none || e.logs {
		return i, flaw
	}
	if !e.wrapped {
		e.raw = span{from, i}
	}
	if t := e.value(mType); e.broken == none && (len(t) <= len(`""`) || t[0] != '"') {
		e.broken = NoType
	}
	return i, none
}

// object scans the members of the entry's outer or inner object into at.
func (e *entry) object(b []byte, i int, at *[mCount]span, outer, envelope bool) (int, Flaw) {
	var flaw Flaw
	sawData := false
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, none
	}
	for {
		var name []byte
		if name, i, flaw = scanName(b, i); flaw != none {
			return i, flaw
		}
		m := memberOf(name)
		if i >= len(b) {
			return i, short
		}
		from := i
		if outer && m == mData && b[i] == '{' {
			i, flaw = e.object(b, i, &e.inner, false, false)
			e.wrapped, e.raw = true, span{from, i}
		} else if envelope && m == mLogs && b[i] == '[' && !e.wrapped && at[mType].to == 0 {
			e.logs = true
			return i + 1, none
		} else {
			i, flaw = skipValue(b, i)
		}
		if flaw != none {
			return i, flaw
		}
		switch {
		case m < mCount:
			if at[m].to != 0 {
				e.broken = Repeated
			}
			at[m] = span{from, i}
		case m == mData && outer:
			if sawData {
				e.broken = Repeated
			}
			sawData = true
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return i, short
		}
		if b[i] == '}' {
			return i + 1, none
		}
		if b[i] != ',' {
			return i, Syntax
		}
		i = skipSpace(b, i+1)
	}
}
