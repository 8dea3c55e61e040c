package doctor

import (
	"fmt"
	"io"
	"strings"
)

// WritePage writes docs/doctor.md.
func WritePage(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# What grantd doctor looks for

` + "`grantd doctor`" + ` reads the tenant, the gateway and the public address, and says what keeps clients from registering and people from logging in. It writes nothing, and makes at most ` + fmt.Sprint(maxCalls) + ` Management API calls whatever the tenant's size. Where a scope to look is missing it says so and goes on; the scopes for looking only are ` + "`" + strings.Join(LookScopes(), "`, `") + "`" + `. Names in {braces} are filled in. The commands are for bash, with the [Auth0 CLI](https://github.com/auth0/auth0-cli) and jq.

This page is printed by code (` + "`internal/doctor`" + `); a test fails when it is stale.
`)
	for _, s := range []struct {
		Severity
		title, about string
	}{
		{Problem, "Problems", "Registrations or logins fail, grantd cannot do its job, or secrets are given away. Exit code 3."},
		{Warning, "Warnings", "They may fail, or more is given away than is needed. Exit code 0, if there are no problems."},
		{Unknown, "Unknown", "It could not be looked at. Exit code 0, if there are no problems."},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, s.about)
		for _, k := range Kinds() {
			if k.Severity == s.Severity {
				k.write(&b)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (k Kind) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n### `%s`\n\n%s %s", k.Code, k.Found, k.Breaks)
	if k.Mode != "" {
		fmt.Fprintf(b, " It concerns %s clients only.", k.Mode)
	}
	b.WriteString("\n\n")
	if k.Fix.Dashboard != "" {
		fmt.Fprintf(b, "- Dashboard: %s\n", k.Fix.Dashboard)
	}
	if k.Fix.Setting != "" {
		fmt.Fprintf(b, "- Setting: %s\n", k.Fix.Setting)
	}
	if k.Fix.Command != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", k.Fix.Command)
	}
}
