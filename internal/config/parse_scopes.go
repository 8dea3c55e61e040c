package config

import (
	"errors"
	"path/filepath"
	"strings"

	"grantd/internal/scope"
)

// parseScopesFile makes the path absolute: it is read for as long as grantd
// runs, and known again by it after a restart.
func parseScopesFile(raw string) (string, error) {
	s, err := parseDir(raw)
	if err != nil {
		return "", err
	}
	path, err := filepath.Abs(s)
	if err != nil {
		return "", wrong("write the path in full", "cannot be made absolute: %w", err)
	}
	return path, nil
}

func parseScopesURL(raw string) (string, error) {
	s := strings.TrimSpace(raw)
	if err := scope.CheckURL(s); err != nil {
		return "", wrong("write the https URL of your server's protected-resource metadata; http will do for this machine", "%w", err)
	}
	return s, nil
}

func parseCeiling(c *Config, raw string) error {
	ceiling, err := scope.ParseCeiling(raw)
	if err == nil {
		c.ScopeCeiling = ceiling
		return nil
	}
	var errs []error
	for _, p := range problems(err) {
		errs = append(errs, wrong("write scopes, or the beginning of scopes and a *, such as read:*", "%s", p.text))
	}
	return errors.Join(errs...)
}
