package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"grantd/internal/child"
	"grantd/internal/tenantsim"
)

// run runs a command and returns all it printed, and its exit code.
func (w *world) run(args ...string) (string, int) {
	w.Helper()
	o := w.options(args...)
	cmd := exec.CommandContext(w.ctx(), o.Exe, o.Args...)
	cmd.Env = o.Env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// clients list and show work through the running daemon and, while none runs,
// from the file: the same answer, as text and as JSON, and exit codes to trust.
func TestClientsListAndShow(t *testing.T) {
	w := newWorld(t, setup{})
	c := w.register("first")
	w.await(c.ID, "ready")
	stranger, err := w.tenant.Register(tenantsim.Registration{ClientName: "Evil\x1b[31m", RedirectURIs: []string{"https://evil.example/"}})
	if err != nil {
		t.Fatal(err)
	}
	w.await(stranger.ID, "refused")
	w.idle()

	look := func() (list, show string) {
		t.Helper()
		text, code := w.run("clients", "list")
		for _, want := range []string{c.ID, "ready", stranger.ID, "callback_not_allowed"} {
			if code != 0 || !strings.Contains(text, want) {
				t.Errorf("clients list: exit %d, no %s in\n%s", code, want, text)
			}
		}
		if strings.Contains(text, "\x1b") {
			t.Errorf("a client's name reaches the terminal raw: %q", text)
		}
		if text, code := w.run("clients", "show", c.ID); code != 0 || !strings.Contains(text, "https://chatgpt.com/") {
			t.Errorf("clients show: exit %d\n%s", code, text)
		}
		list, code = w.run("clients", "list", "--json")
		var page struct {
			Schema  int
			Clients []child.Client
		}
		if err := json.Unmarshal([]byte(list), &page); err != nil || code != 0 || page.Schema != 1 || len(page.Clients) != 2 {
			t.Errorf("clients list --json: exit %d, %v\n%s", code, err, list)
		}
		show, code = w.run("clients", "show", stranger.ID, "--json")
		var one child.Client
		if err := json.Unmarshal([]byte(show), &one); err != nil || code != 0 || one.Phase != "refused" {
			t.Errorf("clients show --json: exit %d, %v\n%s", code, err, show)
		}
		for name, tt := range map[string]struct {
			args []string
			code int
		}{
			"none of that phase": {[]string{"clients", "list", "--phase", "blocked"}, 0},
			"unknown client":     {[]string{"clients", "show", "tpc_unknown"}, 1},
			"not an id":          {[]string{"clients", "show", "../x"}, 2},
			"no id":              {[]string{"clients", "show"}, 2},
			"no such phase":      {[]string{"clients", "list", "--phase", "happy"}, 2},
			"no such flag":       {[]string{"clients", "list", "--colour"}, 2},
			"no such command":    {[]string{"clients", "lits"}, 2},
			"no such socket":     {[]string{"clients", "list", "--socket", "/nonexistent/grantd.sock"}, 1},
		} {
			if out, code := w.run(tt.args...); code != tt.code || out == "" {
				t.Errorf("%s: exit %d, want %d\n%s", name, code, tt.code, out)
			}
		}
		return list, show
	}
	mark := w.mark()
	list, show := look()
	w.stop()
	list2, show2 := look()
	if list != list2 || show != show2 {
		t.Errorf("through the daemon:\n%s%s\nfrom the file:\n%s%s", list, show, list2, show2)
	}
	if n := len(w.calls(mark)); n != 0 {
		t.Errorf("looking cost %d calls", n)
	}
}

// Without a ledger and a daemon the command says so; with a broken
// configuration it exits 2.
func TestClientsWithoutLedger(t *testing.T) {
	w := newWorld(t, setup{unstarted: true})
	if out, code := w.run("clients", "list"); code != 1 || !strings.Contains(out, "GRANTD_STATE_DIR") {
		t.Errorf("no ledger: exit %d\n%s", code, out)
	}
	w.set("this is = not a name")
	if out, code := w.run("clients", "list"); code != 2 || !strings.Contains(out, "grantd.env") {
		t.Errorf("broken env file: exit %d\n%s", code, out)
	}
	if out, code := w.run("version"); code != 0 || !strings.Contains(out, "go-auth0") {
		t.Errorf("version: exit %d\n%s", code, out)
	}
}
