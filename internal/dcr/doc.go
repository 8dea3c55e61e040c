// Package dcr holds the nouns of grantd: what Auth0 has (Client, Grant,
// Connection, API), what a feed reports (Sighting), and what the ledger keeps
// (Record, Condition, JournalEntry). DCR is OAuth 2.0 Dynamic Client
// Registration, RFC 7591, the way most of these clients come to be.
//
// It has no behaviour beyond small questions a noun can answer about itself,
// and imports the standard library only.
package dcr
