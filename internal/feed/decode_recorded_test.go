package feed_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"grantd/internal/feed"
)

// recording is a file of recorded exchanges with Auth0.
type recording struct {
	Interactions []struct {
		Request  struct{ URL, Method string }
		Response struct{ Body string }
	}
}

// TestDecodeRecorded holds the decoder to answers of the real Logs API.
func TestDecodeRecorded(t *testing.T) {
	dir := os.Getenv("GRANTD_RECORDED")
	if dir == "" {
		t.Skip("GRANTD_RECORDED names no folder of recorded exchanges")
	}
	files, err := filepath.Glob(filepath.Join(dir, "TestLogManager*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	d := feed.NewDecoder(feed.Limits{})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if err := yaml.Unmarshal(text, &r); err != nil {
			t.Fatalf("read %s: %v", file, err)
		}
		for _, x := range r.Interactions {
			if !strings.Contains(x.Request.URL, "/api/v2/logs") {
				continue
			}
			entries := []json.RawMessage{json.RawMessage(x.Response.Body)}
			if strings.HasPrefix(x.Response.Body, "[") {
				if err := json.Unmarshal(entries[0], &entries); err != nil {
					t.Fatal(err)
				}
			}
			got, err := d.Decode(strings.NewReader(x.Response.Body), now)
			if err != nil || got.Received != len(entries) || got.Malformed != 0 {
				t.Errorf("%s %s: %d of %d received, %d malformed %v, %v", file, x.Request.URL, got.Received, len(entries), got.Malformed, got.Flawed, err)
			}
			checkNewest(t, got.LastEventAt, entries)
			// The same as a log stream sends it.
			var stream bytes.Buffer
			for _, e := range entries {
				stream.WriteString(`{"log_id":"x","data":` + string(e) + "}\n")
			}
			streamed, err := d.Decode(&stream, now)
			if err != nil || seen(streamed) != seen(got) || !streamed.LastEventAt.Equal(got.LastEventAt) {
				t.Errorf("%s %s: as a stream %s, %v; want %s", file, x.Request.URL, seen(streamed), err, seen(got))
			}
			t.Logf("%s: %s", x.Request.URL, seen(got))
		}
	}
}

func checkNewest(t *testing.T, got time.Time, entries []json.RawMessage) {
	t.Helper()
	var newest time.Time
	for _, e := range entries {
		var v struct{ Date time.Time }
		if err := json.Unmarshal(e, &v); err != nil {
			t.Fatal(err)
		}
		if v.Date.After(newest) {
			newest = v.Date
		}
	}
	if !got.Equal(newest) {
		t.Errorf("last event at %s, want %s", got, newest)
	}
}
