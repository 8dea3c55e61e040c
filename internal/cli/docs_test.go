package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"grantd/internal/config"
	"grantd/internal/dcr"
	"grantd/internal/doctest"
	"grantd/internal/doctor"
	"grantd/internal/metrics"
	"grantd/internal/spell"
)

// Every command in the documentation is one that would run, and every variable,
// metric and code that it names is there.
func TestDocumentation(t *testing.T) {
	const root = "../.."
	pages, err := doctest.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	k := known(t, root)
	commands := 0
	for _, p := range pages {
		n, wrong := k.check(p)
		commands += n
		for _, w := range wrong {
			t.Errorf("%s:%s", p.Path, w)
		}
	}
	if commands < 100 {
		t.Errorf("found only %d commands", commands)
	}
}

// names are those that documentation may use.
type names struct {
	variables, metrics, reasons, codes []string
}

func known(t *testing.T, root string) (k names) {
	t.Helper()
	for _, v := range config.Variables() {
		for _, name := range []string{v.Name, v.Alias} {
			k.variables = append(k.variables, name, name+"_FILE")
		}
	}
	for _, m := range metrics.Catalog() {
		k.metrics = append(k.metrics, m.Name)
	}
	for _, r := range dcr.Reasons() {
		k.reasons = append(k.reasons, string(r.Reason))
	}
	k.codes = slices.Concat(k.reasons, k.metrics)
	for _, kind := range doctor.Kinds() {
		k.codes = append(k.codes, string(kind.Code))
	}
	// Scripts have variables of their own.
	scripts, err := filepath.Glob(filepath.Join(root, "scripts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(scripts, filepath.Join(root, ".ci", "run")) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		k.variables = append(k.variables, variable.FindAllString(string(text), -1)...)
	}
	return k
}

var (
	variable = regexp.MustCompile(`\b(?:GRANTD|MGMT|LOG_WEBHOOK|TOOL_SCOPES|REQUIRED_SCOPES|OAUTH|GOOGLE|WEBHOOK)_[A-Z0-9_]*[A-Z0-9]\b`)
	metric   = regexp.MustCompile(`^(grantd_[a-z_]+?)(?:_bucket|_count|_sum)?(?:\{.*)?$`)
	stand    = regexp.MustCompile(`^(?:pending|blocked|refused|gone|degraded|down): ([a-z0-9_]+)$`)
	code     = regexp.MustCompile(`^[a-z]+(?:_[a-z]+)+$`)
)

// check says what of a page is wrong, and counts its commands.
func (k names) check(p doctest.Page) (commands int, wrong []string) {
	add := func(line int, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%d: ", line)+fmt.Sprintf(format, args...))
	}
	n := 0
	for line := range strings.Lines(p.Text) {
		n++
		for _, v := range variable.FindAllString(line, -1) {
			if !slices.Contains(k.variables, v) {
				add(n, "there is no variable %s", v)
			}
		}
	}
	for _, f := range p.Fences {
		for _, words := range inFence(f) {
			commands++
			if err := wouldRun(words); err != nil {
				add(f.Line, "grantd %s: %v", strings.Join(words, " "), err)
			}
		}
	}
	for _, s := range p.Spans {
		if words, ok := mention(s.Text); ok {
			commands++
			if err := namesCommand(words); err != nil {
				add(s.Line, "%s: %v", s.Text, err)
			}
		}
		if m := metric.FindStringSubmatch(s.Text); m != nil && !slices.Contains(k.metrics, m[1]) {
			add(s.Line, "there is no metric %s", m[1])
		}
		if m := stand.FindStringSubmatch(s.Text); m != nil && !slices.Contains(k.reasons, m[1]) {
			add(s.Line, "there is no reason %s", m[1])
		}
		if meant := k.misspelled(s.Text); meant != "" {
			add(s.Line, "%s looks like %s", s.Text, meant)
		}
	}
	return commands, wrong
}

// inFence are the commands between fences. Text and output are none.
func inFence(f doctest.Code) (all [][]string) {
	if !slices.Contains([]string{"sh", "bash", "console"}, f.Lang) {
		return nil
	}
	for line := range strings.Lines(strings.ReplaceAll(f.Text, "\\\n", "")) {
		prompted, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if f.Lang != "console" || ok {
			for _, words := range invocations(prompted) {
				all = append(all, filledIn(words))
			}
		}
	}
	return all
}

// mention is the command that code within a sentence begins with.
func mention(span string) (words []string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(span, "sudo "), "grantd ")
	if !ok {
		return nil, false
	}
	return filledIn(invocations("grantd " + rest)[0]), true
}

var placeholder = regexp.MustCompile(`^(?:"?\$.*|\[?[A-Z][A-Z_]+\]?)$`)

// filledIn puts something in the place of the words that a reader is to replace.
func filledIn(words []string) []string {
	values := map[string]string{"SEQ": "1", "SHELL": "bash", "COMMAND": "version", "PHASE": "ready"}
	filled := slices.Clone(words)
	for i, w := range words {
		if !placeholder.MatchString(w) {
			continue
		}
		if filled[i] = values[w]; filled[i] == "" {
			filled[i] = "x"
		}
	}
	return filled
}

// namesCommand is wouldRun for a command that is named only, perhaps without its
// arguments.
func namesCommand(words []string) error {
	root := (&app{}).rootCommand()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if args := cmd.Flags().Args(); len(args) > 0 {
		return cmd.ValidateArgs(args)
	}
	return nil
}

// misspelled is the code that was meant by one that does not exist.
func (k names) misspelled(span string) string {
	if !code.MatchString(span) || slices.Contains(k.codes, span) {
		return ""
	}
	for _, c := range k.codes {
		if spell.Distance(c, span) <= 2 {
			return c
		}
	}
	return ""
}

func TestDocumentationCheck(t *testing.T) {
	k := names{
		variables: []string{"GRANTD_LISTEN", "MGMT_CLIENT_SECRET", "MGMT_CLIENT_SECRET_FILE"},
		metrics:   []string{"grantd_holds", "grantd_time_to_ready_seconds"},
		reasons:   []string{"held", "missing_scope"},
		codes:     []string{"held", "missing_scope", "log_stream_stopped"},
	}
	for text, want := range map[string]string{
		"`GRANTD_LISTEN`, `MGMT_CLIENT_SECRET_FILE`, GRANTD_*": "",
		"`GRANTD_LISTENS`":                                            "1: there is no variable GRANTD_LISTENS",
		"GRANTD_TOKEN_FILE=x":                                         "1: there is no variable GRANTD_TOKEN_FILE",
		"`grantd_holds{reason=\"held\"}`":                             "",
		"`grantd_time_to_ready_seconds_bucket`":                       "",
		"`grantd_hold`":                                               "1: there is no metric grantd_hold",
		"`blocked: missing_scope`":                                    "",
		"`blocked: missing_scopes`":                                   "1: there is no reason missing_scopes",
		"`degraded: log_stream_stopped`":                              "1: there is no reason log_stream_stopped",
		"`log_stream_stoped`":                                         "1: log_stream_stoped looks like log_stream_stopped",
		"`app_type` `log_stream_stopped`":                             "",
		"`sudo grantd hold` `grantd revert SEQ`":                      "",
		"`grantd revert`":                                             "",
		"`grantd plan now`":                                           "1: grantd plan now: grantd plan takes no arguments",
		"`grantd plans`":                                              "1: grantd plans: grantd has no command",
		"`grantd clients lists`":                                      "1: grantd clients lists: grantd clients has no command",
		"`grantd clients list --phases ready`":                        "1: grantd clients list --phases ready: unknown flag",
		"```sh\nsudo grantd sync --adopt && grantd plan | jq\n```":    "",
		"```sh\ngrantd revert\n```":                                   "2: grantd revert: ",
		"```sh\ncurl x && \\\n  grantd sync --adopted\n```":           "2: grantd sync --adopted: unknown flag",
		"```console\n$ grantd explain ID\ngrantd says something\n```": "",
		"```console\n$ grantd explain\n```":                           "2: grantd explain: ",
		"```text\ngrantd makes every client work\n```":                "",
	} {
		_, wrong := k.check(doctest.Parse("a.md", text))
		if got := strings.Join(wrong, "\n"); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
