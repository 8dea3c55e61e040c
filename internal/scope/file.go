package scope

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxSize is how long a file or an answer may be, in bytes.
const maxSize = 64 << 10

// ParseFile reads a file of scopes, separated by newlines, commas or spaces,
// with comments from # to the end of the line; a byte order mark and CRLF do
// not count. It returns them sorted, each once, without those that no API
// defines (see SplitLogin). If any line is bad, the file is: the error is the
// first bad line's.
func ParseFile(data []byte) ([]string, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("is longer than %d bytes", maxSize)
	}
	var all []string
	number := 0
	for raw := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		if !utf8.Valid(raw) {
			return nil, fmt.Errorf("line %d: is not UTF-8", number)
		}
		text, _, _ := strings.Cut(string(raw), "#")
		for _, s := range Split(text) {
			if !Valid(s) {
				return nil, fmt.Errorf("line %d: %s is not a scope", number, quote(s))
			}
			all = append(all, s)
		}
	}
	api, _ := SplitLogin(union(all))
	return api, nil
}

// readFile reads the file at path.
func readFile(path string) ([]string, error) {
	data, err := readRegular(path)
	if err != nil {
		return nil, err
	}
	return ParseFile(data)
}

// readRegular reads at most a little more than maxSize bytes. Only a regular
// file will do: opening a pipe would wait for its writer.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	return data, withoutPath(err)
}

func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// quote makes what others wrote fit for a line of text: ASCII, and cut.
func quote(s string) string {
	const longest = 120
	if len(s) > longest {
		return strconv.QuoteToASCII(s[:longest]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
