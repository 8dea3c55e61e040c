package certs

import (
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// backoffFile holds a backoff.
const backoffFile = "backoff.json"

// backoff is when the authority may be asked again, kept on the disk: a process
// that is started again and again asks no more often than one that stays. A try
// is written down before it is made, for it might be what ends the process.
type backoff struct {
	Domain    string    `json:"domain"` // for which it was asked
	Tries     int       `json:"tries"`  // in a row that failed, or did not end
	NextTryAt time.Time `json:"next_try_at"`
	LastError string    `json:"last_error,omitempty"`
}

// waits are the times between tries. Let's Encrypt refuses after 5 failed
// validations of a host in an hour; these are 4 in the first.
// https://letsencrypt.org/docs/rate-limits/
func waits() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}
}

// maxWait is the longest that an authority may make us wait, by Retry-After; a
// next try beyond it comes of a clock that was wrong.
const maxWait = 7 * 24 * time.Hour

// wait is how long to wait after so many tries, 1 or more.
func wait(tries int) time.Duration {
	all := waits()
	return all[min(max(tries, 1), len(all))-1]
}

// loadBackoff reads what the process before left. What another domain left is
// none of this one's: whoever corrects a name need not wait for it.
func (d dir) loadBackoff(domain string, now time.Time) (b backoff, err error) {
	data, err := d.get(backoffFile)
	if errors.Is(err, autocert.ErrCacheMiss) {
		return backoff{Domain: domain}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	switch {
	case err != nil:
		// Somebody may be spoiling it: no reason to hurry.
		return backoff{Domain: domain, Tries: 1, NextTryAt: now.Add(wait(1))}, err
	case b.Domain != domain:
		return backoff{Domain: domain}, nil
	}
	b.Tries = max(b.Tries, 0)
	if b.NextTryAt.Sub(now) > maxWait {
		b.NextTryAt = now.Add(wait(b.Tries))
	}
	return b, nil
}

func (d dir) saveBackoff(b backoff) error {
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return d.put(backoffFile, data)
}
