package auth0_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/auth0"
)

func TestTokenSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token.json")
		keep := func(o *auth0.Options) { o.TokenFile = file }
		s := &stub{API: always(200, thirdParty)}
		for range 3 {
			c := open(t, s, keep)
			if err := get(t, c); err != nil {
				t.Fatal(err)
			}
			if err := c.TokenStatus().CacheErr; err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if n := s.tokenRequests(); n != 1 {
			t.Errorf("%d token requests over 3 starts, want 1", n)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(secret)) {
			t.Error("the secret is in the file")
		}
		if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
			t.Errorf("%d files are left", len(entries))
		}

		others := map[string]func(*auth0.Options){
			"domain": func(o *auth0.Options) { o.Domain = "other.eu.auth0.com" },
			"client": func(o *auth0.Options) { o.ClientID = "other" },
			"secret": func(o *auth0.Options) { o.ClientSecret = "other" },
		}
		for name, other := range others {
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			before := s.tokenRequests()
			if err := get(t, open(t, s, keep, other)); err != nil || s.tokenRequests() != before+1 {
				t.Errorf("another %s: %v, the kept token was used", name, err)
			}
		}
		time.Sleep(24 * time.Hour)
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		before := s.tokenRequests()
		if err := get(t, open(t, s, keep)); err != nil || s.tokenRequests() != before+1 {
			t.Errorf("expired: %v", err)
		}
	})
}

// A kept token that lacks a needed scope is renewed at the start, once.
func TestKeptTokenLacksScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stub{API: always(200, thirdParty), scope: "read:clients"}
		file := filepath.Join(t.TempDir(), "token.json")
		keep := func(o *auth0.Options) { o.TokenFile = file; o.Scopes = []string{"read:clients", "read:logs"} }
		if err := get(t, open(t, s, keep)); err != nil {
			t.Fatal(err)
		}
		for start := 1; start <= 3; start++ {
			c := open(t, s, keep)
			for range 10 {
				if err := get(t, c); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.tokenRequests(); n != 1+start {
				t.Errorf("%d token requests after start %d, want %d", n, start, 1+start)
			}
		}
		// If that fails the kept one serves.
		s.set(func() { s.status, s.answer = 500, "" })
		if err := get(t, open(t, s, keep)); err != nil {
			t.Error(err)
		}
	})
}

// What a kill in the middle of keeping a token left behind, a token as well, does
// not stay.
func TestTokenFileLeftByKill(t *testing.T) {
	s := &stub{API: always(200, thirdParty)}
	dir := t.TempDir()
	file := filepath.Join(dir, "token.json")
	if err := os.WriteFile(file+".new", []byte("half a"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := get(t, open(t, s, func(o *auth0.Options) { o.TokenFile = file })); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "token.json" {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept token has mode %v, %v", info.Mode(), err)
	}
}

// A file that cannot be written costs tokens, nothing else.
func TestTokenFileUnwritable(t *testing.T) {
	s := &stub{API: always(200, thirdParty)}
	c := open(t, s, func(o *auth0.Options) { o.TokenFile = filepath.Join(t.TempDir(), "none", "token.json") })
	if err := get(t, c); err != nil {
		t.Error(err)
	}
	if c.TokenStatus().CacheErr == nil {
		t.Error("nothing tells that the token is not kept")
	}
}

func FuzzTokenFile(f *testing.F) {
	dir := f.TempDir()
	file := filepath.Join(dir, "token.json")
	s := &stub{API: always(200, thirdParty)}
	keep := func(o *auth0.Options) { o.TokenFile = file }
	c := open(f, s, keep)
	if _, err := c.Client(f.Context(), clientID); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(bytes.Replace(good, []byte("eyJ"), []byte(`\n`), 1))
	f.Add([]byte("null"))
	f.Add([]byte(`{"version":1,"expires_at":"9999-12-31T23:59:59Z"}`))
	f.Add(bytes.Repeat([]byte(" "), 70_000))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		before := s.tokenRequests()
		if _, err := open(t, s, keep).Client(t.Context(), clientID); err != nil {
			t.Fatalf("a bad file fails the call: %v", err)
		}
		if s.tokenRequests() == before {
			// It was taken for a token: then it must be one of ours.
			var r struct {
				Key string `json:"key"`
			}
			if json.Unmarshal(raw, &r) != nil || !bytes.Contains(good, []byte(r.Key)) || r.Key == "" {
				t.Errorf("a foreign file was used: %q", raw)
			}
		}
		if now, err := os.ReadFile(file); err != nil || !json.Valid(now) {
			t.Errorf("the file is %q, %v", now, err)
		}
	})
}

// TestTokenFileUnsafe: a link or a pipe in its place is not read, does not
// hang, and is replaced by a file.
func TestTokenFileUnsafe(t *testing.T) {
	for name, put := range map[string]func(file string) error{
		"link": func(file string) error {
			return errors.Join(os.WriteFile(file+".other", []byte("{}"), 0o600), os.Symlink(file+".other", file))
		},
		"pipe": func(file string) error { return syscall.Mkfifo(file, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token.json")
			if err := put(file); err != nil {
				t.Fatal(err)
			}
			s := &stub{API: always(200, thirdParty)}
			c := open(t, s, func(o *auth0.Options) { o.TokenFile = file })
			if err := get(t, c); err != nil || s.tokenRequests() != 1 {
				t.Errorf("%d token requests, %v", s.tokenRequests(), err)
			}
			if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if other, err := os.ReadFile(file + ".other"); err == nil && string(other) != "{}" {
				t.Errorf("the link's target was written: %s", other)
			}
		})
	}
}
