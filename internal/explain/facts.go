package explain

import (
	"time"

	"grantd/internal/dcr"
	"grantd/internal/doctor"
	"grantd/internal/plan"
	"grantd/internal/policy"
)

// Facts are all that Tell knows.
type Facts struct {
	Now time.Time
	// ID is whom the story is about: a client id, or the URL of a Client ID
	// Metadata Document that Auth0 has no client for.
	ID      string
	Serving bool // a daemon runs and does what is due

	Record  *dcr.Record        // of the ledger; nil when it has none
	Journal []dcr.JournalEntry // the client's, newest first
	Holds   []dcr.Hold         // all that are kept, also those whose time is over

	Desired     plan.Desired
	Policy      policy.Policy
	OwnClientID string // the application grantd itself logs in with

	Live Live

	Denials []Denial // the newest first, their Cause empty
	LogRead bool     // the log was searched; if not, LogProblem may say why
	// LogProblem is why the log could not be searched.
	LogProblem Problem

	Findings []doctor.Finding // what is wrong with the tenant as a whole
}

// Live is what Auth0 says now. What was not asked, or could not be had, is nil
// or its zero value.
type Live struct {
	Client *dcr.Client
	// Missing: Auth0 says that there is no such client.
	Missing bool
	Grant   plan.Grant
	// Connections are the desired ones, in their order; nil when not asked.
	Connections []plan.Connection
	API         plan.API
	// Problems are the questions that failed, in the order they were asked.
	Problems []Problem
}

// Problem is a question to Auth0 that brought no answer.
type Problem struct {
	What    string     `json:"what"` // such as "the client"
	Reason  dcr.Reason `json:"reason"`
	Message string     `json:"message"` // what was answered
}

// LogSearch is Problem.What of a search of the tenant's log.
const LogSearch = "the last denials"

// answered reports whether Auth0 said anything about the client.
func (l Live) answered() bool { return l.Client != nil || l.Missing }
