package store

// Commits returns how many transactions were committed over the file's life.
func (l *Ledger) Commits() (n int) {
	_ = l.read(func(t tx) error { n = t.ID(); return nil })
	return n
}

// Parsers of keys and cursors, for fuzzing.
var (
	ParseCursor        = parseCursor
	ParseDue           = parseDue
	ParseJournalClient = parseJournalClient
	DecodeRecord       = decodeRecord
)

// DueKey and JournalClientKey are what the parsers undo.
var (
	DueKey           = dueKey
	JournalClientKey = journalClientKey
)

// Remembered returns how many log entries are remembered.
func (l *Ledger) Remembered() (n int) {
	_ = l.read(func(t tx) error { n = t.seen().Stats().KeyN; return nil })
	return n
}
