package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"grantd/internal/config"
	"grantd/internal/display"
)

// question is one of what a person has to say.
type question struct {
	name  string // of the variable
	flag  string
	usage string
	ask   string
	must  bool // there is no default
}

func questions() []question {
	return []question{
		{"MGMT_DOMAIN", "domain", "the tenant's `DOMAIN`, as Auth0 gave it", "Your tenant's domain, the one Auth0 gave it", true},
		{"OAUTH_AUDIENCE", "audience", "`URL` of your MCP server, byte for byte", "The URL of your MCP server, which becomes the API's identifier", true},
		{"TOOL_SCOPES", "scopes", "`SCOPES` to grant, separated by spaces", "Scopes that clients shall be granted, separated by spaces", true},
		{"GOOGLE_CONNECTION_NAME", "connections", "`NAMES` of connections, separated by commas", "Connections that people log in with, separated by commas", false},
		{"GRANTD_ALLOWED_CLIENTS", "allowed-clients", "which `CLIENTS` may be touched", "Clients to let through: chatgpt, claude, mcp-inspector, or redirect URIs, separated by commas", false},
		{"GRANTD_PUBLIC_URL", "public-url", "https `URL` by which Auth0 reaches grantd", "The https URL by which Auth0 reaches grantd; empty if there is none yet", false},
	}
}

// answer takes flags, and asks for what is still missing: what has no default
// and the public address, and for a new env file all of it.
func (p *preparation) answer(ctx context.Context, isNew bool) error {
	if err := p.takeFlags(isNew); err != nil {
		return err
	}
	var missing []string
	for _, q := range questions() {
		asked := q.must || !p.yes && (isNew || q.name == "GRANTD_PUBLIC_URL")
		if !asked || p.config.Origin(q.name) != config.FromDefault || q.name == "TOOL_SCOPES" && p.scopesElsewhere() {
			continue
		}
		suggested := p.suggestion(q.name)
		var err error
		if !q.must || !p.yes || suggested == "" {
			err = p.put(ctx, q, suggested, isNew)
		} else {
			p.answers[q.name] = suggested
		}
		switch {
		case errors.Is(err, io.EOF) && suggested != "":
			p.answers[q.name] = suggested
		case errors.Is(err, io.EOF):
			if q.must {
				missing = append(missing, "--"+q.flag)
			}
			continue
		case err != nil:
			return err
		}
		c, err := p.load(isNew)
		if err != nil {
			return err
		}
		p.config = c
	}
	if len(missing) > 0 {
		return misuse(p.cmd, fmt.Errorf("%s: needed, since there is nobody to ask on standard input", strings.Join(missing, ", ")))
	}
	return nil
}

// takeFlags takes the answers that were given as flags. One that contradicts the
// configuration is refused: the daemon would read that.
func (p *preparation) takeFlags(isNew bool) error {
	before := p.config
	for _, q := range questions() {
		if !p.cmd.Flags().Changed(q.flag) {
			continue
		}
		text := *p.flags[q.name]
		if text == "" {
			continue
		}
		p.answers[q.name] = text
		c, err := p.load(isNew)
		if err != nil {
			return err
		}
		p.config = c
		if before.Origin(q.name) == config.FromDefault {
			continue
		}
		if is, said := valueOf(before, q.name), valueOf(c, q.name); is != said {
			return misuse(p.cmd, fmt.Errorf("--%s says %s, and the configuration says %s=%s: change it there, or leave the flag out", q.flag, display.Cut(said, 100), q.name, display.Cut(is, 100)))
		}
		delete(p.answers, q.name)
	}
	return nil
}

func valueOf(c *config.Config, name string) string {
	for _, s := range c.Redacted() {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

func (p *preparation) scopesElsewhere() bool {
	return len(p.config.RequiredScopes) > 0 || p.config.ScopesFile != "" || p.config.ScopesURL != ""
}

// suggestion is what an empty answer stands for; empty where there is nothing.
func (p *preparation) suggestion(name string) string {
	switch name {
	case "MGMT_DOMAIN":
		return p.claims.Domain
	case "GOOGLE_CONNECTION_NAME", "GRANTD_ALLOWED_CLIENTS":
		return valueOf(p.config, name)
	}
	return ""
}

// tries is how often a question is put: what answers may be no person.
const tries = 5

// put asks a question until the answer can be read. io.EOF: nobody answers.
func (p *preparation) put(ctx context.Context, q question, suggested string, isNew bool) error {
	for range tries {
		text := q.ask
		if suggested != "" {
			text += " [" + display.Line(suggested, 100) + "]"
		}
		line, err := p.prompt(ctx, text+": ")
		if err != nil {
			return err
		}
		switch {
		case line == "" && suggested == "" && !q.must:
			return nil
		case line == "" && suggested == "":
			fmt.Fprintln(p.talk, p.paint(notice, "It cannot do without."))
			continue
		case line == "":
			line = suggested
		}
		p.answers[q.name] = line
		if _, err = p.load(isNew); err == nil {
			return nil
		}
		delete(p.answers, q.name)
		_, text, _ = strings.Cut(err.Error(), "\n")
		fmt.Fprintln(p.talk, p.paint(bad, display.Visible(text)))
	}
	return misuse(p.cmd, fmt.Errorf("none of %d answers for %s could be taken; --%s says it without a question", tries, q.name, q.flag))
}

// answer is a line that somebody typed.
type answer struct {
	line string
	err  error
}

// prompt asks and reads one line, without spaces around it.
func (p *preparation) prompt(ctx context.Context, text string) (string, error) {
	if p.lines == nil {
		p.lines = readLines(p.process.Stdin)
	}
	fmt.Fprint(p.talk, p.paint(strong, text))
	select {
	case a, ok := <-p.lines:
		if !ok || a.err != nil {
			fmt.Fprintln(p.talk)
			return "", io.EOF
		}
		if !terminal(p.process.Stdin) {
			fmt.Fprintln(p.talk) // no terminal echoes a newline that nobody types
		}
		return strings.TrimSpace(a.line), nil
	case <-ctx.Done():
		fmt.Fprintln(p.talk)
		return "", ctx.Err()
	}
}

// maxLine bounds what one answer may be, in bytes.
const maxLine = 64 << 10

// readLines reads lines until the input ends. Reading cannot be broken off, so
// it is done apart; it ends with the process.
func readLines(in io.Reader) chan answer {
	lines := make(chan answer)
	if in == nil {
		close(lines)
		return lines
	}
	go func() {
		defer close(lines)
		scan := bufio.NewScanner(in)
		scan.Buffer(nil, maxLine)
		for scan.Scan() {
			lines <- answer{line: scan.Text()}
		}
		lines <- answer{err: io.EOF}
	}()
	return lines
}
