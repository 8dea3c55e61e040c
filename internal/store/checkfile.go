package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Report is what a ledger's file holds and what is wrong with it. Numbers and
// names are zero where they could not be read.
type Report struct {
	Path     string `json:"path"`
	Size     int64  `json:"size_bytes"`
	Free     int64  `json:"free_bytes"` // of Size: used again, or given back by Compact
	Schema   int    `json:"ledger_schema"`
	Clients  int    `json:"clients"`
	Journal  int    `json:"journal_entries"`
	Tenant   string `json:"tenant"`
	Audience string `json:"audience"`
	Created  string `json:"created"` // RFC 3339
	// Findings are the defects, empty when all is well.
	Findings []string `json:"findings"`
	// Notes are what is good to know and no defect.
	Notes []string `json:"notes"`
}

// Schema is the schema version of the ledgers that this program writes.
func Schema() int { return len(migrations()) }

// CheckFile reads a whole ledger that no process has open for writing, and
// reports what is wrong with it; it changes nothing. An error says that it
// could not look: fs.ErrNotExist, ErrLocked, ErrUnsafe, ErrUnavailable or
// ErrNewerSchema. Of a ledger with an older schema only the pages and keys are
// checked.
func CheckFile(ctx context.Context, path string) (Report, error) {
	r := Report{Path: path, Findings: []string{}, Notes: []string{}}
	info, err := os.Lstat(path)
	if err == nil {
		r.Size, err = info.Size(), ctx.Err()
	}
	if err != nil {
		return r, fmt.Errorf("check ledger: %w", err)
	}
	db, err := openBolt(path, true)
	if errors.Is(err, ErrCorrupt) {
		r.find(err)
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("check ledger %s: %w", path, err)
	}
	err = r.read(&Ledger{db: db, path: path, readOnly: true})
	if errors.Is(err, ErrCorrupt) {
		r.find(err)
		err = nil
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return r, fmt.Errorf("check ledger %s: %w", path, err)
	}
	return r, nil
}

func (r *Report) find(errs ...error) {
	for _, err := range errs {
		// Every finding says so: once, above the list, is enough.
		r.Findings = append(r.Findings, strings.ReplaceAll(err.Error(), ErrCorrupt.Error()+": ", ""))
	}
}

func (r *Report) read(l *Ledger) error {
	free, err := l.checkPages()
	if err != nil {
		return err
	}
	r.Free = free
	err = l.read(func(t tx) (err error) {
		r.Schema, err = t.version()
		return err
	})
	switch known := Schema(); {
	case err != nil:
		return err
	case r.Schema > known:
		return newerSchema(l.path, r.Schema, known)
	case r.Schema == 0:
		return fmt.Errorf("%w: it is empty", ErrCorrupt)
	case r.Schema < known:
		r.Notes = append(r.Notes, fmt.Sprintf("its schema is %d, and this grantd's %d: the next start migrates it. Its pages and keys were checked, its records were not.", r.Schema, known))
	}
	findings, err := l.findings(r.Schema == Schema())
	if err != nil {
		return err
	}
	if r.find(findings...); len(findings) > 0 {
		return nil
	}
	return l.read(func(t tx) error {
		meta := t.meta()
		r.Tenant, r.Audience = string(meta.Get([]byte(metaTenant))), string(meta.Get([]byte(metaAudience)))
		r.Created = string(meta.Get([]byte(metaCreated)))
		r.Clients, r.Journal = t.clients().Stats().KeyN, t.journal().Stats().KeyN
		each(t.facts(), func(k, v []byte) {
			var d damaged
			if id, ok := strings.CutPrefix(string(k), damagedFact); ok && json.Unmarshal(v, &d) == nil {
				r.Notes = append(r.Notes, fmt.Sprintf("the record of client %q was unreadable on %s and was made anew; the ledger keeps what was there", id, d.At.Format("2006-01-02 15:04 MST")))
			}
		})
		return nil
	})
}
