package config

import (
	"fmt"
	"io"
	"strings"
)

// width is how long a comment line of the env example may be, in bytes.
const width = 79

// WriteEnvExample writes an env file that explains every variable. The required
// ones are there to be filled in, the others are comments.
func WriteEnvExample(w io.Writer) error {
	b := &strings.Builder{}
	envHead(b, "The values without a # before them are needed. This file is printed from the table that reads the variables; docs/configuration.md has it as tables.")
	envBody(b, func(v Variable) string {
		if v.Required || v.Name == "TOOL_SCOPES" {
			return v.Name + "="
		}
		return "#" + v.Name + "=" + assigned(v.Default)
	})
	_, err := io.WriteString(w, b.String())
	return err
}

// envHead is what an env file begins with.
func envHead(b *strings.Builder, last string) {
	comment(b, "Configuration of grantd: grantd serve --env-file /etc/grantd/grantd.env")
	fmt.Fprintln(b, "#")
	comment(b, "Lines are NAME=VALUE. A # after a space begins a comment; quote a value that has one. Nothing is expanded: $ is a dollar sign. An empty value counts as not set. A variable of the process environment wins over this file. After an edit, SIGHUP (systemctl reload grantd) applies it at once. The systemd units run on a copy, so there nothing else does; elsewhere the file is watched, and added scopes take effect at once, any other change when it has read the same for 30 seconds.")
	fmt.Fprintln(b, "#")
	comment(b, "Every secret can be kept out of this file: in a file of its own, named by NAME_FILE, or in a systemd credential, named as the variable in lower case. Use one way for one secret.")
	fmt.Fprintln(b, "#")
	comment(b, last)
}

// envBody explains every variable, with the line that assign makes of it.
func envBody(b *strings.Builder, assign func(Variable) string) {
	group := ""
	for _, v := range Variables() {
		if v.Group == groupSetup {
			continue // it has no place in the daemon's env file
		}
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(b, "\n\n# ---- %s %s\n", group, strings.Repeat("-", width-8-len(group)))
		}
		fmt.Fprintln(b)
		comment(b, v.Help)
		for _, line := range remarks(v) {
			comment(b, line)
		}
		fmt.Fprintln(b, assign(v))
	}
}

// remarks are the lines after the help of a variable.
func remarks(v Variable) []string {
	var all []string
	if v.Computed != "" {
		all = append(all, "Default: "+v.Computed)
	}
	if v.Example != "" {
		all = append(all, "Example: "+v.Name+"="+assigned(v.Example))
	}
	if v.Alias != "" {
		all = append(all, "Alias: "+v.Alias)
	}
	if v.Secret {
		all = append(all, "Or: "+v.Name+"_FILE=/path, or the systemd credential "+v.credential())
	}
	if v.Restart {
		all = append(all, "A change takes effect after a restart.")
	}
	return all
}

// assigned is a value as it can stand after "=" in a shell and an env file alike.
func assigned(s string) string {
	if strings.ContainsAny(s, " \t#'\"$`\\*;&|<>(){}") {
		return `"` + s + `"`
	}
	return s
}

// comment writes text as comment lines of at most width bytes, where words allow.
func comment(b *strings.Builder, text string) {
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != "#" {
			fmt.Fprintln(b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(b, line)
}

// WriteMarkdown writes the documentation of all variables.
func WriteMarkdown(w io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprint(b, markdownHead)
	group := ""
	for _, v := range Variables() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(b, "\n## %s\n\n| variable | default | meaning |\n| --- | --- | --- |\n", group)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", v.Name, markdownDefault(v), markdownHelp(v))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownDefault(v Variable) string {
	switch {
	case v.Required:
		return "**required**"
	case v.Computed != "":
		return cell(v.Computed)
	case v.Default != "":
		return "`" + v.Default + "`"
	}
	return ""
}

func markdownHelp(v Variable) string {
	parts := []string{cell(v.Help)}
	if v.Example != "" {
		parts = append(parts, "Example: `"+v.Example+"`.")
	}
	if v.Alias != "" {
		parts = append(parts, "Alias: `"+v.Alias+"`.")
	}
	if v.Secret {
		parts = append(parts, "A secret.")
	}
	if v.Restart {
		parts = append(parts, "Needs a restart.")
	}
	return strings.Join(parts, " ")
}

// cell makes plain text fit for a cell of a table: what looks like code is code.
func cell(s string) string {
	words := strings.Split(s, " ")
	for i, word := range words {
		bare := strings.TrimRight(word, ".,:;)")
		bare = strings.TrimLeft(bare, "(")
		if strings.ContainsAny(bare, "_$*{~@") || strings.Contains(bare, "://") {
			words[i] = strings.Replace(word, bare, "`"+bare+"`", 1)
		}
	}
	return strings.ReplaceAll(strings.Join(words, " "), "|", `\|`)
}

const markdownHead = `# Configuration

This page is printed by the code that reads the variables, and a test fails when the two differ. The same as an env file to fill in: [grantd.env.example](../configs/grantd.env.example). Every step in Auth0: [auth0-setup.md](auth0-setup.md).

All errors of a configuration are reported at once, one a line, and the exit code is 2. An empty value counts as not set.

## Where values come from

1. The process environment.
2. The file named by ` + "`--env-file`" + `. Where the two differ the process environment wins, and grantd says so.
3. For a secret, instead: a file named by ` + "`NAME_FILE`" + ` (of an alias, too), or a systemd credential, ` + "`$CREDENTIALS_DIRECTORY/name_in_lower_case`" + `. One newline at the end of the file is dropped. Two ways at once for one secret are an error.
4. The default.

An alias works, with a notice; a variable and its alias with different values are an error. An unknown ` + "`GRANTD_*`" + ` variable is warned of with the nearest name.

` + "`SIGHUP`" + ` (systemctl reload grantd) reads the file again and applies it at once. The systemd units run on a copy, so there nothing else does; elsewhere the file is watched, too: added scopes take effect at once without a signal, any other change when it has read the same for 30 seconds. If it is broken, it is refused with its line, and the running configuration stays. Rows that say *Needs a restart* take effect with the next start.

## The env file

` + "```sh" + `
# A comment; so is a line that begins with ;
MGMT_DOMAIN=acme.eu.auth0.com
export OAUTH_AUDIENCE=https://mcp.example.com/mcp   # the word export is allowed, and a comment after a space
TOOL_SCOPES="tools:read tools:call"                 # in double quotes: \n \r \t \\ \" \$ \` + "`" + `
REQUIRED_SCOPES='mcp:connect'                       # in single quotes everything is as it stands
` + "```" + `

A value ends with its line, and nothing in it is expanded: ` + "`$`" + ` is a dollar sign. UTF-8, with or without a byte order mark, with LF or CRLF. If a name is set twice, the last one counts, with a notice. systemd's ` + "`EnvironmentFile=`" + ` reads the same, but for comments after a value and ` + "`\\n`, `\\r`, `\\t`" + ` in double quotes, and backslashes outside of quotes. Prefer ` + "`--env-file`" + ` there too: what systemd put into the environment stays until a restart and would win over the edited file.
`
