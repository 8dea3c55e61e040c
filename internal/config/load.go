package config

import (
	"net"
	"slices"
	"strings"

	"grantd/internal/scope"
)

// Load reads and checks the whole configuration. The error is Errors: all there
// are, not the first. Notices come with a good configuration and with a bad one.
func Load(src Source) (*Config, []Notice, error) {
	l := newLookup(src)
	broken := len(l.errs) > 0
	c := &Config{origins: map[string]Origin{}}
	table := Variables()
	for _, v := range table {
		l.load(c, v, broken)
	}
	l.crossCheck(c, broken)
	l.strangers(table)
	return finish(c, l, table)
}

// LoadOnly reads and checks the named variables and nothing else, for commands
// that need no more: the state directory and the socket, for instance. Name
// what a default depends on as well. A required one that is not set is left
// empty.
func LoadOnly(src Source, names ...string) (*Config, []Notice, error) {
	l := newLookup(src)
	c := &Config{origins: map[string]Origin{}}
	table := Variables()
	for _, v := range table {
		if slices.Contains(names, v.Name) {
			l.load(c, v, true)
		}
	}
	return finish(c, l, table)
}

func finish(c *Config, l *lookup, table []Variable) (*Config, []Notice, error) {
	if len(l.errs) > 0 {
		return nil, l.notices, l.errs.sorted(table)
	}
	c.places = l.places
	return c, l.notices, nil
}

// load reads one variable into c. A lenient load does not miss what is
// required: it may be on a line of the env file that could not be read.
func (l *lookup) load(c *Config, v Variable, lenient bool) {
	before := len(l.errs)
	found, ok := l.find(v)
	switch {
	case len(l.errs) > before: // said already
	case ok:
		c.origins[v.Name], l.places[v.Name] = found.origin, found.where
		raw := found.text.Reveal()
		l.fail(v, found.where, quote(raw), v.parse(c, raw))
	case v.fallback != nil:
		raw, err := v.fallback(func(name string) string { return l.env[name].Reveal() }, c)
		if err == nil && raw != "" {
			err = v.parse(c, raw)
		}
		l.fail(v, "", quote(raw), err)
	case v.Default != "":
		l.fail(v, "", quote(v.Default), v.parse(c, v.Default))
	case v.Required && !lenient:
		l.fail(v, "", "", wrong(v.missing, "not set"))
	}
}

// crossCheck holds variables against each other.
func (l *lookup) crossCheck(c *Config, lenient bool) {
	l.checkDomain(c)
	l.checkScopes(c, lenient)
	l.checkAdmin(c)
	l.checkTLS(c)
	if c.WebhookSecret.IsSet() && c.WebhookSecret.Equal(c.WebhookSecretPrevious) {
		l.notice("LOG_WEBHOOK_SECRET_PREVIOUS", "equals LOG_WEBHOOK_SECRET; empty it")
	}
}

// checkDomain wants a real tenant's domain where there is no GRANTD_MGMT_URL.
func (l *lookup) checkDomain(c *Config) {
	if c.Domain == "" || c.Origin("GRANTD_MGMT_URL") != FromDefault {
		return
	}
	v := Variable{Name: "MGMT_DOMAIN"}
	if host, _, err := net.SplitHostPort(c.Domain); err == nil {
		l.fail(v, l.places[v.Name], quote(c.Domain), wrong("write MGMT_DOMAIN="+host+", or set GRANTD_MGMT_URL for a server on another port", "has a port"))
	} else if !strings.Contains(c.Domain, ".") && !isLoopback(c.Domain) {
		l.fail(v, l.places[v.Name], quote(c.Domain), wrong("write it in full, such as "+c.Domain+".eu.auth0.com", "is not a full domain"))
	}
}

// checkScopes drops what no API defines, and wants something to be left.
func (l *lookup) checkScopes(c *Config, lenient bool) {
	for _, s := range []struct {
		name   string
		scopes *[]string
	}{{"TOOL_SCOPES", &c.ToolScopes}, {"REQUIRED_SCOPES", &c.RequiredScopes}} {
		api, login := scope.SplitLogin(*s.scopes)
		if len(login) > 0 {
			l.notice(s.name, "%s left out: not a scope of an API", strings.Join(login, ", "))
		}
		*s.scopes = api
	}
	elsewhere := c.ScopesFile != "" || c.ScopesURL != ""
	refused := slices.ContainsFunc(l.errs, func(e *FieldError) bool {
		return slices.Contains([]string{"TOOL_SCOPES", "REQUIRED_SCOPES", "TOOL_SCOPES_FILE", "TOOL_SCOPES_URL"}, e.Name)
	})
	if len(c.Scopes()) == 0 && !elsewhere && !refused && !lenient {
		l.fail(Variable{Name: "TOOL_SCOPES"}, l.places["TOOL_SCOPES"], "", wrong("set TOOL_SCOPES or REQUIRED_SCOPES to scopes that your API defines, or TOOL_SCOPES_FILE or TOOL_SCOPES_URL to where they are", "no scopes to grant"))
	}
	if c.ScopeCeiling.String() != "" && !elsewhere && !refused {
		l.notice("GRANTD_SCOPE_CEILING", "has no effect: it limits TOOL_SCOPES_FILE and TOOL_SCOPES_URL, and neither is set")
	}
}

// checkAdmin keeps the admin listener from the network, unless there is a token.
func (l *lookup) checkAdmin(c *Config) {
	const name = "GRANTD_ADMIN_LISTEN"
	host, port, err := net.SplitHostPort(c.AdminListen)
	if err != nil {
		return // off, or reported already
	}
	if c.AdminListen == c.Listen && port != "0" {
		l.fail(Variable{Name: name}, l.places[name], quote(c.AdminListen), wrong("give it another port", "is the address of GRANTD_LISTEN too"))
	}
	if isLoopback(host) {
		return
	}
	failed := slices.ContainsFunc(l.errs, func(e *FieldError) bool { return e.Name == "GRANTD_ADMIN_TOKEN" })
	switch {
	case c.AdminToken.IsSet():
		v := Variable{Name: "GRANTD_ADMIN_TOKEN", Secret: true}
		l.fail(v, l.places[v.Name], "", checkSecret(c.AdminToken.Reveal(), minSecretLen))
		if !c.ServesTLS() {
			l.notice(name, "other machines can reach %s, and there is no TLS: the token crosses the network in the clear, unless a proxy encrypts it", c.AdminListen)
		}
	case !failed:
		l.fail(Variable{Name: name}, l.places[name], quote(c.AdminListen), wrong("set GRANTD_ADMIN_TOKEN, or listen on 127.0.0.1", "can be reached by other machines, and there is no GRANTD_ADMIN_TOKEN"))
	}
}
