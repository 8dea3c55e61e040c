// Package page is the status page: what a person sees who opens the admin
// listener in a browser. It only reads.
//
// It is HTML made on the server by gomponents, one stylesheet and one script,
// all embedded, so that it asks nobody else for anything. Without the script it
// is whole; with it, it follows GET /api/v1/events and exchanges the parts that
// have an id for new ones.
//
// Where to look: page.go renders, status.go gathers the front page from health.go,
// attention.go, gauges.go, times.go and clients.go, and client.go the page of one
// client with its journal.go. Words that people read are in words.go. What others
// chose, such as a client's name, passes clean in text.go before a view gets
// it; gomponents escapes it there.
package page
