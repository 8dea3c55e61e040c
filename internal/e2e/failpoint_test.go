package e2e_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Nothing of the points where tests kill grantd is in the binary that people
// run: neither their names nor the variable that chooses one, nor the function.
func TestShippedBinaryHasNoFailpoints(t *testing.T) {
	hit := regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)
	words := []string{"FAILPOINT", "internal/failpoint.Hit"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range hit.FindAllSubmatch(source, -1) {
			words = append(words, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(words) < 10 {
		t.Fatalf("found %q only: where are the points?", words)
	}
	exe, err := os.ReadFile(binary())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(exe, []byte("GRANTD_STATE_DIR")) {
		t.Fatal("this is not how to look for a word in a binary")
	}
	for _, word := range words {
		if bytes.Contains(exe, []byte(word)) {
			t.Errorf("the binary holds %q", word)
		}
	}
}
