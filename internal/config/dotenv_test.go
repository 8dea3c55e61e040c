package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"grantd/internal/config"
)

// read is what a file says, as "line name=value", errors last.
func read(text string) []string {
	all, bad := config.ParseDotenv([]byte(text))
	var got []string
	for _, a := range all {
		got = append(got, fmt.Sprintf("%d %s=%s", a.Line, a.Name, a.Value.Reveal()))
	}
	for _, e := range bad {
		got = append(got, fmt.Sprintf("%d: %s", e.Line, e))
	}
	return got
}

func TestParseDotenv(t *testing.T) {
	for _, tt := range []struct {
		about, text string
		want        []string
	}{
		{"nothing", "", nil},
		{"blank and comments", "\n \t\n# a=b\n ; a=b\n", nil},
		{"plain", "A=b", []string{"1 A=b"}},
		{"lower case", "a_1=b", []string{"1 a_1=b"}},
		{"empty", "A=\nB= \nC=''\nD=\"\"\n", []string{"1 A=", "2 B=", "3 C=", "4 D="}},
		{"CRLF", "A=b\r\nC=d\r\n", []string{"1 A=b", "2 C=d"}},
		{"byte order mark", "\ufeffA=b\n", []string{"1 A=b"}},
		{"spaces", "  A = b c  \n", []string{"1 A=b c"}},
		{"export", "export A=b\nexport\tC=d\nexport=e\nexporter=f", []string{"1 A=b", "2 C=d", "3 export=e", "4 exporter=f"}},
		{"equals in value", "A=b=c==", []string{"1 A=b=c=="}},
		{"comment after value", "A=b # c\nD=e\t#f\nG= # h\n", []string{"1 A=b", "2 D=e", "3 G="}},
		{"# in a word", "A=b#c\nD=#e\n", []string{"1 A=b#c", "2 D=#e"}},
		{"no expansion", "A=$B ${C} $(d)\nE=\"$F\"\n", []string{"1 A=$B ${C} $(d)", `2 E=$F`}},
		{"single quotes", `A='b "c" \n # $d'  # e`, []string{`1 A=b "c" \n # $d`}},
		{"double quotes", `A="b 'c' # \"d\" \\ \$ \x"# e` + "\n" + `A="b 'c' # \"d\" \\ \$ \x" # e`,
			[]string{`2 A=b 'c' # "d" \ $ \x`, "1: goes on after the closing quote"}},
		{"escapes", `A="a\nb\rc\td"`, []string{"1 A=a\nb\rc\td"}},
		{"quote in a word", `A=it's "b"`, []string{`1 A=it's "b"`}},
		{"backslashes", `A=C:\dir\n`, []string{`1 A=C:\dir\n`}},
		{"twice", "A=1\nA=2", []string{"1 A=1", "2 A=2"}},
		{"cron", "GRANTD_POLL_SCHEDULE=*/5 * * * *\nB=@every 15s", []string{"1 GRANTD_POLL_SCHEDULE=*/5 * * * *", "2 B=@every 15s"}},
		{"no equals", "A\n\nB=c\nD e\n", []string{"3 B=c", `1: has no "="`, `4: has no "="`}},
		{"bad names", "1A=b\nA-B=c\n=d\nA B=e\nexport A B=f\nexport =g", []string{"6 export=g",
			`1: what is before the "=" is not a variable's name`, `2: what is before the "=" is not a variable's name`,
			`3: what is before the "=" is not a variable's name`, `4: what is before the "=" is not a variable's name`,
			`5: what is before the "=" is not a variable's name`}},
		{"open quotes", "A='b\nB=\"c\nC=\"d\\\"\nD=ok'", []string{"4 D=ok'",
			"1: has a quote that is not closed", "2: has a quote that is not closed", "3: has a quote that is not closed"}},
		{"after a quote", `A="b"c`, []string{"1: goes on after the closing quote"}},
		{"continued", "A=b \\\nC=d", []string{"2 C=d", "1: ends with a backslash, and lines cannot be continued"}},
		{"control characters", "A=b\x00c\nD=\x1be\nF=\xff\nG=h\ri\n", []string{
			"1: holds control characters or is not UTF-8", "2: holds control characters or is not UTF-8",
			"3: holds control characters or is not UTF-8", "4: holds control characters or is not UTF-8"}},
		{"tabs stay in a value", "A=b\tc", []string{"1 A=b\tc"}},
	} {
		t.Run(tt.about, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, read(tt.text)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// FuzzDotenv: every line is an assignment, nothing, or an error that does not
// show it; and what was read can be written in single or double quotes and read
// again.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"A=b\n", "export A='b' # c\r\n", `A="\n\"$\x"`, "\ufeffA = b # c\n;d", "A=b \\", "A", "=", "A=\"", "A='\x00'", "hunter2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, bad := config.ParseDotenv(data)
		last := bytes.Count(data, []byte("\n")) + 1
		for _, e := range bad {
			if e.Line < 1 || e.Line > last || e.Problem == "" || e.Hint == "" {
				t.Errorf("error %+v of %d lines", e, last)
			}
		}
		if len(all)+len(bad) > last {
			t.Errorf("%d assignments and %d errors in %d lines", len(all), len(bad), last)
		}
		escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`)
		for _, a := range all {
			value := a.Value.Reveal()
			lines := []string{"export " + a.Name + ` = "` + escape.Replace(value) + `" # x`}
			if !strings.ContainsAny(value, "'\n\r") {
				lines = append(lines, a.Name+"='"+value+"'")
			}
			for _, line := range lines {
				again, bad := config.ParseDotenv([]byte(line))
				if len(bad) > 0 || len(again) != 1 || again[0].Name != a.Name || again[0].Value.Reveal() != value {
					t.Errorf("%q became %v %v", line, again, bad)
				}
			}
		}
	})
}
