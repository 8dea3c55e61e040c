package store_test

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// keyForms turns what the drawing writes for a varying key into a pattern.
func keyForms() map[string]string {
	return map[string]string{
		"<client id>":   `[A-Za-z0-9_-]{1,128}`,
		"<class>":       `[ub]`,
		"<time>":        `[\s\S]{8}`,
		"<seq>":         `[\s\S]{8}`,
		"<phase>":       `(ready|pending|blocked|refused|gone)`,
		"<grant id>":    `cgr_[a-z]+`,
		"<log id hash>": `[\s\S]{16}`,
		"<feed>":        `(webhook|poll|sweep)`,
		"<key>":         `.+`,
		"<scope>":       `(field|client|all)`,
		"<field>":       `[a-z_]*`,
		"·":             ``,
		"␀":             `\x00`,
	}
}

// drawing reads the buckets and their keys out of doc.go.
func drawing(t *testing.T) map[string]map[string]*regexp.Regexp {
	t.Helper()
	f, err := os.Open("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	drawn := map[string]map[string]*regexp.Regexp{}
	bucket := ""
	line := regexp.MustCompile(`^//\t([│ ] +)?[├└]── (.+)$`)
	for s := bufio.NewScanner(f); s.Scan(); {
		m := line.FindStringSubmatch(s.Text())
		switch {
		case m == nil:
		case m[1] == "":
			bucket = m[2]
			drawn[bucket] = map[string]*regexp.Regexp{}
		default:
			key, _, _ := strings.Cut(m[2], "  ")
			pattern := regexp.QuoteMeta(key)
			for form, re := range keyForms() {
				pattern = strings.ReplaceAll(pattern, regexp.QuoteMeta(form), re)
			}
			drawn[bucket][key] = regexp.MustCompile(`^(?s:` + pattern + `)$`)
		}
	}
	return drawn
}

// TestSchemaIsDrawn holds doc.go to what is in a file with something of
// everything: every key in the file is drawn, and every drawn one is there.
func TestSchemaIsDrawn(t *testing.T) {
	drawn := drawing(t)
	if len(drawn) < 10 {
		t.Fatalf("doc.go draws %d buckets", len(drawn))
	}
	db, err := bolt.Open(populate(t), 0o600, &bolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			keys, ok := drawn[string(name)]
			if !ok {
				t.Errorf("bucket %s is not drawn", name)
				return nil
			}
			delete(drawn, string(name))
			found := map[string]bool{}
			err := b.ForEach(func(k, v []byte) error {
				form := ""
				for key, re := range keys {
					if re.Match(latin1(k)) {
						form = key
					}
				}
				if form == "" {
					t.Errorf("bucket %s has a key %q that is not drawn", name, k)
				}
				found[form] = true
				switch string(name) {
				case "clients", "journal", "feeds", "holds":
					if !json.Valid(v) {
						t.Errorf("the value of %q in bucket %s is not JSON", k, name)
					}
				}
				return nil
			})
			for key := range keys {
				if !found[key] {
					t.Errorf("bucket %s is drawn with %q, which is not there", name, key)
				}
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range drawn {
		t.Errorf("bucket %s is drawn and not there", name)
	}
}

// latin1 makes one character of every byte, as the patterns count them.
func latin1(b []byte) []byte {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return []byte(s.String())
}
