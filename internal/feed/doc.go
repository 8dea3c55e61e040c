// Package feed is where sightings come from.
//
// The tenant log reaches grantd by two ways, pushed by a log stream and read by
// search, in several forms. A Decoder takes them all and hands back what is of
// interest; Classify says what one entry means. Both are pure.
//
// # Forms
//
// JSON lines, JSON objects one after another (pretty-printed or not), a JSON
// array, and {"logs":[…]}; each possibly behind a byte-order mark and
// compressed with gzip. An entry is bare, as the Management API has it, or
// wrapped, as log streams send it: {"log_id":"…","data":{…}}. An object whose
// "data" is an object is wrapped, whatever else it has.
// https://auth0.com/docs/customize/log-streams/custom-log-streams
//
// # Use
//
// Entries that show a client at work are the most of a busy tenant's, so they
// are no Sightings: Decode gathers them, a client each.
//
// # One pass
//
// Almost all entries of a busy tenant are of no interest, so they cost one scan
// for structure and no allocation: a window slides over the input, and
// scanEntry checks the JSON grammar (RFC 8259) and remembers where the few
// members that matter stand. What is nested in an entry of interest is looked
// up in place. Field names are matched exactly, not case-insensitively as
// encoding/json would, and a name that matters may stand once: where two
// readers of an entry could disagree on what it says, it says nothing.
package feed
