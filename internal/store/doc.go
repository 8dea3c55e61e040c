// Package store keeps the ledger: one bbolt file with every client ever
// registered or found, why it is due, what was done for it, and which log
// entries were already taken.
//
// The ledger is also the work queue. A record with a next attempt is in an
// index ordered by class and time, so that asking what is due is a range scan,
// and a restart forgets nothing.
//
// # File
//
// The file holds these buckets; a test compares this drawing with a real one.
// Keys in angle brackets vary; "·" joins the parts of a key without a
// separator, "␀" is a zero byte. Times in keys are 8 bytes, big-endian
// microseconds, ordered as time is; sequence numbers likewise.
//
//	grantd.db
//	├── meta
//	│   ├── version             schema version, decimal
//	│   ├── created             RFC 3339
//	│   ├── tenant              the one tenant it belongs to
//	│   ├── audience            the one audience it belongs to
//	│   ├── prefix              begins the correlation id of every own write
//	│   ├── digest              of the desired state all records wait or are checked for
//	│   └── sweep_wanted        RFC 3339: a sweep that began before does not see why
//	├── clients
//	│   └── <client id>         dcr.Record, JSON
//	├── due
//	│   └── <class>·<time>·<client id>    the record's source, or empty; class is "u" or "b"
//	├── phases
//	│   └── <phase>␀<client id>           empty
//	├── counts
//	│   ├── <phase>             number of records, decimal
//	│   ├── holds               number of holds, decimal
//	│   ├── resting             number of clients that rest, decimal
//	│   └── journal_bytes       size of the journal and its index, decimal
//	├── resting
//	│   └── <time>·<client id>  empty; refused and gone clients that may be forgotten, by when last heard of
//	├── newest
//	│   └── <time>·<client id>  phase; by when first seen
//	├── grants
//	│   └── <grant id>          client id
//	├── journal
//	│   └── <seq>               dcr.JournalEntry, JSON
//	├── journal_clients
//	│   └── <client id>␀<seq>   empty; not of entries without a client
//	├── holds
//	│   └── <scope>␀<client id>␀<field>         dcr.Hold, JSON
//	├── hold_times
//	│   └── <time>·<scope>␀<client id>␀<field>  empty; not of holds without an end
//	├── seen
//	│   └── <log id hash>       time of receipt
//	├── seen_times
//	│   └── <time>·<log id hash>          empty
//	├── feeds
//	│   └── <feed>              dcr.FeedStatus, JSON
//	└── facts
//	    └── <key>               whatever the caller keeps
//
// # Writing
//
// Writers share commits: while one group is being synced to disk, the calls
// that arrive wait and become the next group. A lone writer waits for nobody.
// No method hands out a transaction.
//
// What a kill may lose for a few seconds waits in memory for Flush: statistics
// of the feeds, which any commit takes along, and when clients were used, which
// none does, or a registration would wait for thousands of records.
//
// A context is honoured until the change is queued for commit. From then on
// the call runs to its end, so that its answer says what is on disk.
//
// # Sequence numbers
//
// Recording a reason to look at a client gives its record a new sequence
// number. An outcome carries the number it was computed from. When that is no
// longer the record's, something landed meanwhile: what was observed is kept,
// and the record stays due.
package store
