package daemon

import "github.com/coreos/go-systemd/v22/journal"

// LogsToJournal reports whether this process's standard error is a stream of
// systemd's journal (systemd.exec(5), JOURNAL_STREAM).
func LogsToJournal() bool {
	ok, err := journal.StderrIsJournalStream()
	return ok && err == nil
}
