package config

import (
	"strings"
)

// Variable is one row of the table.
type Variable struct {
	Name     string
	Alias    string // another name for it, or ""
	Group    string // the heading it stands under
	Help     string // what it is for, in plain sentences
	Default  string // what is read when it is not set; "" is nothing
	Computed string // how the default is found when it is not a constant, for people
	Example  string // a value for the documentation
	Secret   bool   // also read from NAME_FILE and from a systemd credential
	Required bool
	Restart  bool // a change takes effect with the next start only

	missing  string // what to do about a required one that is not set
	fallback func(env func(string) string, c *Config) (string, error)
	parse    func(c *Config, raw string) error
	show     func(c *Config) string
	secret   func(c *Config) *Secret
}

// names are all names by which the variable can be set in an environment.
func (v Variable) names() []string {
	all := []string{v.Name}
	if v.Alias != "" {
		all = append(all, v.Alias)
	}
	if v.Secret {
		for _, n := range all {
			all = append(all, n+"_FILE")
		}
	}
	return all
}

// credential is the name of its systemd credential.
func (v Variable) credential() string { return strings.ToLower(v.Name) }

// text makes v read into the field at by way of clean, which returns the value
// to keep.
func text[T ~string](v Variable, at func(*Config) *T, clean func(string) (T, error)) Variable {
	v.parse = func(c *Config, raw string) error {
		value, err := clean(raw)
		if err == nil {
			*at(c) = value
		}
		return err
	}
	v.show = func(c *Config) string { return string(*at(c)) }
	return v
}

// list makes v read a list into the field at.
func list(v Variable, at func(*Config) *[]string, split func(string) ([]string, error)) Variable {
	v.parse = func(c *Config, raw string) error {
		value, err := split(raw)
		if err == nil {
			*at(c) = value
		}
		return err
	}
	v.show = func(c *Config) string { return strings.Join(*at(c), ",") }
	return v
}

// hidden makes v a secret of at least least bytes in the field at.
func hidden(v Variable, at func(*Config) *Secret, least int) Variable {
	v.Secret = true
	v.secret = at
	v.parse = func(c *Config, raw string) error {
		if err := checkSecret(raw, least); err != nil {
			return err
		}
		*at(c) = NewSecret(raw)
		return nil
	}
	v.show = func(c *Config) string { return at(c).String() }
	return v
}
