package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"grantd/internal/dcr"
)

// Names of the buckets, drawn in doc.go.
const (
	bucketMeta           = "meta"
	bucketClients        = "clients"
	bucketDue            = "due"
	bucketPhases         = "phases"
	bucketCounts         = "counts"
	bucketGrants         = "grants"
	bucketJournal        = "journal"
	bucketJournalClients = "journal_clients"
	bucketSeen           = "seen"
	bucketSeenTimes      = "seen_times"
	bucketFeeds          = "feeds"
	bucketFacts          = "facts"
	bucketHolds          = "holds"
	bucketHoldTimes      = "hold_times"
	bucketResting        = "resting"
	bucketNewest         = "newest"
)

// Keys of the meta bucket.
const (
	metaVersion  = "version"
	metaCreated  = "created"
	metaTenant   = "tenant"
	metaAudience = "audience"
	metaPrefix   = "prefix"
	metaDigest   = "digest"
	metaWanted   = "sweep_wanted"
)

// tx is a transaction with one accessor per bucket, and the bounds that hold
// while it runs.
type tx struct {
	*bolt.Tx
	bounds bounds
}

func (t tx) meta() *bolt.Bucket           { return t.Bucket([]byte(bucketMeta)) }
func (t tx) clients() *bolt.Bucket        { return t.Bucket([]byte(bucketClients)) }
func (t tx) due() *bolt.Bucket            { return t.Bucket([]byte(bucketDue)) }
func (t tx) phases() *bolt.Bucket         { return t.Bucket([]byte(bucketPhases)) }
func (t tx) counts() *bolt.Bucket         { return t.Bucket([]byte(bucketCounts)) }
func (t tx) grants() *bolt.Bucket         { return t.Bucket([]byte(bucketGrants)) }
func (t tx) journal() *bolt.Bucket        { return t.Bucket([]byte(bucketJournal)) }
func (t tx) journalClients() *bolt.Bucket { return t.Bucket([]byte(bucketJournalClients)) }
func (t tx) seen() *bolt.Bucket           { return t.Bucket([]byte(bucketSeen)) }
func (t tx) seenTimes() *bolt.Bucket      { return t.Bucket([]byte(bucketSeenTimes)) }
func (t tx) feeds() *bolt.Bucket          { return t.Bucket([]byte(bucketFeeds)) }
func (t tx) facts() *bolt.Bucket          { return t.Bucket([]byte(bucketFacts)) }
func (t tx) holds() *bolt.Bucket          { return t.Bucket([]byte(bucketHolds)) }
func (t tx) holdTimes() *bolt.Bucket      { return t.Bucket([]byte(bucketHoldTimes)) }
func (t tx) resting() *bolt.Bucket        { return t.Bucket([]byte(bucketResting)) }
func (t tx) newest() *bolt.Bucket         { return t.Bucket([]byte(bucketNewest)) }

// uint64Size is the length of a time or sequence number in a key.
const uint64Size = 8

// timeKey orders as time does, also before 1970. Microseconds cover all years
// that time.Time marshals to JSON; nanoseconds would end in 2262.
func timeKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())^(1<<63))
}

// parseTime undoes timeKey on the first bytes of k.
func parseTime(k []byte) (time.Time, bool) {
	if len(k) < uint64Size {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(k) ^ (1 << 63))).UTC(), true
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func parseSeq(k []byte) (uint64, bool) {
	if len(k) != uint64Size {
		return 0, false
	}
	return binary.BigEndian.Uint64(k), true
}

// classKey is the first byte of a due key.
func classKey(c dcr.Class) byte {
	if c == dcr.Urgent {
		return 'u'
	}
	return 'b'
}

// dueKey is the record's key in the due index, nil when it is not due.
func dueKey(r dcr.Record) []byte {
	if r.NextAttemptAt.IsZero() {
		return nil
	}
	return append(duePrefix(r.Class, r.NextAttemptAt), r.ClientID...)
}

// duePrefix sorts after everything due before at and before everything due
// from at on.
func duePrefix(c dcr.Class, at time.Time) []byte {
	return append([]byte{classKey(c)}, timeKey(at)...)
}

// parseDue undoes dueKey.
func parseDue(k []byte) (at time.Time, id string, ok bool) {
	if len(k) < 1+uint64Size {
		return time.Time{}, "", false
	}
	at, ok = parseTime(k[1:])
	return at, string(k[1+uint64Size:]), ok
}

// phaseKey is a key of the phase index; with an empty id, their prefix.
func phaseKey(p dcr.Phase, id string) []byte {
	return append(append([]byte(p), 0), id...)
}

// newestKey is the record's key in the index by when clients were first seen.
func newestKey(r dcr.Record) []byte {
	return append(timeKey(r.FirstSeenAt), r.ClientID...)
}

// journalClientKey is a key of the journal's index by client.
func journalClientKey(id string, seq uint64) []byte {
	return append(journalClientPrefix(id), seqKey(seq)...)
}

func journalClientPrefix(id string) []byte { return append([]byte(id), 0) }

// parseJournalClient undoes journalClientKey.
func parseJournalClient(k []byte) (id string, seq uint64, ok bool) {
	name, rest, ok := bytes.Cut(k, []byte{0})
	if !ok {
		return "", 0, false
	}
	seq, ok = parseSeq(rest)
	return string(name), seq, ok
}

// holdKey tells holds apart and orders them by scope, client and field.
func holdKey(h dcr.Hold) []byte {
	return []byte(string(h.Scope) + "\x00" + h.ClientID + "\x00" + string(h.Field))
}

// holdTimeKey is the hold's key in the index by its end, nil when it has none.
func holdTimeKey(h dcr.Hold) []byte {
	if h.Until.IsZero() {
		return nil
	}
	return append(timeKey(h.Until), holdKey(h)...)
}

// logKey is what a log id is remembered by. Hashed, because its length is the
// sender's choice.
type logKey [16]byte

func newLogKey(logID string) logKey {
	sum := sha256.Sum256([]byte(logID))
	return logKey(sum[:len(logKey{})])
}
