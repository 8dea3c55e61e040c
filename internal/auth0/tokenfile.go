package auth0

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"grantd/internal/failpoint"
)

// tokenFile keeps the token across restarts, because tenants have few to give.
// An empty path keeps nothing.
type tokenFile struct {
	path   string
	domain string
}

// tokenRecord is the content of the file.
type tokenRecord struct {
	Version     int       `json:"version"`
	Key         string    `json:"key"` // says whose token it is, without saying it
	AccessToken string    `json:"access_token"`
	Scope       string    `json:"scope,omitempty"`
	IssuedAt    time.Time `json:"issued_at"`
	ExpiresAt   time.Time `json:"expires_at"`
}

const (
	tokenFileVersion = 1
	maxTokenFile     = 64 << 10
)

// key identifies domain, client id and secret.
func (f tokenFile) key(c credentials) string {
	secret := sha256.Sum256([]byte(c.secret))
	sum := sha256.Sum256(fmt.Appendf(nil, "grantd token\x00%s\x00%s\x00%x", strings.ToLower(f.domain), c.id, secret))
	return hex.EncodeToString(sum[:])
}

// load returns the kept token. A file that is missing, bad, somebody else's or
// out of date is no token.
func (f tokenFile) load(c credentials, now time.Time) (token, bool) {
	if f.path == "" {
		return token{}, false
	}
	file, err := f.open()
	if err != nil {
		return token{}, false
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, maxTokenFile+1))
	if err != nil || len(raw) > maxTokenFile {
		return token{}, false
	}
	return parseTokenFile(raw, f.key(c), now)
}

// open opens a regular file for reading: no symbolic link, and nothing that
// blocks.
func (f tokenFile) open() (*os.File, error) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// belongWithDir gives a file that root made to whom its directory belongs to,
// so that what "sudo grantd" keeps is there for the daemon's user.
func belongWithDir(f *os.File) error {
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 {
		return f.Chown(int(s.Uid), int(s.Gid))
	}
	return nil
}

func parseTokenFile(raw []byte, key string, now time.Time) (token, bool) {
	var r tokenRecord
	if json.Unmarshal(raw, &r) != nil || r.Version != tokenFileVersion || r.Key != key {
		return token{}, false
	}
	life := r.ExpiresAt.Sub(r.IssuedAt)
	if life <= 0 || life > maxTokenLife || !r.ExpiresAt.After(now) || r.IssuedAt.After(now.Add(time.Minute)) {
		return token{}, false
	}
	t, err := newToken(r.AccessToken, r.Scope, life, r.ExpiresAt)
	return t, err == nil
}

// save keeps the token, readable by the owner alone, and never leaves half a
// file.
func (f tokenFile) save(c credentials, t token, now time.Time) (err error) {
	if f.path == "" {
		return nil
	}
	raw, err := json.Marshal(tokenRecord{
		Version:     tokenFileVersion,
		Key:         f.key(c),
		AccessToken: t.value,
		Scope:       strings.Join(t.scopes, " "),
		IssuedAt:    now.UTC(),
		ExpiresAt:   t.expires.UTC(),
	})
	if err != nil {
		return fmt.Errorf("encode token file: %w", err)
	}
	// Always the same name: what a kill leaves behind is a token as well, and the
	// next one takes its place.
	name := f.path + ".new"
	_ = os.Remove(name) // if it cannot be, the next line says so
	tmp, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	_, err = tmp.Write(raw)
	if err = errors.Join(err, belongWithDir(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	failpoint.Hit("auth0.token-written")
	if err = os.Rename(name, f.path); err != nil {
		return fmt.Errorf("write token file: %w", err)
	}
	return nil
}
