package cli

import (
	"fmt"
	"io"
	"strings"
)

// jsonList prints an object with a list as printJSON would, without having all
// of the list.
type jsonList struct {
	w    io.Writer
	name string // of the list
	n    int
}

func (j *jsonList) item(v any) error {
	sep := ","
	if j.n == 0 {
		sep = fmt.Sprintf("{\n  \"schema\": 1,\n  %q: [", j.name)
	}
	j.n++
	var b strings.Builder
	if err := printJSON(&b, v); err != nil {
		return err
	}
	text := strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", "\n    ")
	_, err := io.WriteString(j.w, sep+"\n    "+text)
	return err
}

// close ends the list, which goes on at next: an id, a number, or nothing.
func (j *jsonList) close(next string) error {
	begin := "\n  ]"
	if j.n == 0 {
		begin = fmt.Sprintf("{\n  \"schema\": 1,\n  %q: []", j.name)
	}
	_, err := fmt.Fprintf(j.w, "%s,\n  \"next\": %q\n}\n", begin, next)
	return err
}
