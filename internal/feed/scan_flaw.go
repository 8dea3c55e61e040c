package feed

// Flaw is what is wrong with an entry. Its text names no content.
type Flaw uint8

// The flaws.
const (
	none  Flaw = iota
	short      // the input ends here, for now; never leaves the package

	// Syntax: not JSON.
	Syntax
	// Truncated: the input ends within it.
	Truncated
	// TooLarge: longer than Limits.Entry.
	TooLarge
	// TooDeep: nested more than 64 levels below the entry's own members.
	TooDeep
	// NotObject: JSON, but not an object.
	NotObject
	// NoType: no "type", or one that is not a string.
	NoType
	// Repeated: a member that matters stands twice.
	Repeated
	// BadGzip: compressed, but cannot be inflated to the end.
	BadGzip
	// BadShape: an entry of interest whose details are missing or not of the
	// type they have to be.
	BadShape
	// BadClientID: an id that no client can have.
	BadClientID
	// BadID: an id that no grant, connection or API can have.
	BadID
	// Contradiction: two places that name the client name different ones.
	Contradiction
)

// String says what is wrong, in a few words for a log line.
func (f Flaw) String() string {
	switch f {
	case Syntax:
		return "not JSON"
	case Truncated, short:
		return "truncated"
	case TooLarge:
		return "too large"
	case TooDeep:
		return "nested too deep"
	case NotObject:
		return "not an object"
	case NoType:
		return "no type"
	case Repeated:
		return "a member stands twice"
	case BadGzip:
		return "broken gzip"
	case BadShape:
		return "details missing or of the wrong type"
	case BadClientID:
		return "not a client id"
	case BadID:
		return "not an id"
	case Contradiction:
		return "contradictory client ids"
	default:
		return "none"
	}
}

// Error makes a Flaw an error.
func (f Flaw) Error() string { return f.String() }
