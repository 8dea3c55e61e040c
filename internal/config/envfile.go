package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// EnvFile is an env file to which values are added: a new one, which explains
// every variable as the example does, or one that is there, to whose end they
// are appended. Nothing that somebody else wrote is ever changed.
type EnvFile struct {
	path    string
	values  map[string]Secret
	written []byte // what this process wrote as the whole file; nil: the file was there
}

// OpenEnvFile looks whether the file is there, and changes nothing. The folder
// of a new one has to exist.
func OpenEnvFile(path string) (_ *EnvFile, isNew bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir := filepath.Dir(path)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, false, fmt.Errorf("the folder %s does not exist: make it first, or name another file", dir)
		}
		isNew = true
	case err != nil:
		return nil, false, fmt.Errorf("look at the env file: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, fmt.Errorf("%s is not a file", path)
	}
	return &EnvFile{path: path, values: map[string]Secret{}}, isNew, nil
}

// Add writes values into the file, by the names of their variables. The file is
// made if it is not there, for its owner alone; one that appeared meanwhile is
// not touched. Nothing is written if that fails.
func (f *EnvFile) Add(values map[string]Secret) error {
	for name, v := range values {
		if _, err := envLine(name, v.Reveal()); err != nil {
			return err
		}
	}
	now, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.written == nil:
		return f.write(values, os.Link)
	case err != nil:
		return fmt.Errorf("read the env file: %w", err)
	case f.written != nil && bytes.Equal(now, f.written):
		return f.write(values, os.Rename)
	}
	return f.append(values)
}

// write writes the whole file beside it and puts it in its place.
func (f *EnvFile) write(values map[string]Secret, place func(from, to string) error) (err error) {
	maps.Copy(f.values, values)
	content := []byte(f.render())
	tmp, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the env file: %w", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // after a rename it is gone
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write the env file: %w", err)
	}
	if err := place(tmp.Name(), f.path); err != nil {
		return fmt.Errorf("write the env file: %w", err)
	}
	f.written = content
	return nil
}

// render is the whole file.
func (f *EnvFile) render() string {
	b := &strings.Builder{}
	envHead(b, "Written by grantd setup. The lines with a # before them show what holds where nothing is set.")
	envBody(b, func(v Variable) string {
		if value, ok := f.values[v.Name]; ok && value.IsSet() {
			line, _ := envLine(v.Name, value.Reveal()) // looked at before
			return line
		}
		return "#" + v.Name + "=" + assigned(v.Default)
	})
	return b.String()
}

// append adds lines at the end, by one write.
func (f *EnvFile) append(values map[string]Secret) error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("add to the env file: %w", err)
	}
	defer func() { _ = file.Close() }() // what was written is synced
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("add to the env file: %w", err)
	}
	if slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Secret && values[v.Name].IsSet() }) {
		if err := f.private(info); err != nil {
			return err
		}
	}
	b := &strings.Builder{}
	if last := make([]byte, 1); info.Size() > 0 {
		if _, err := file.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("add to the env file: %w", err)
		}
		if last[0] != '\n' {
			b.WriteByte('\n')
		}
	}
	b.WriteString("\n# Added by grantd setup.\n")
	for _, v := range Variables() {
		value, ok := values[v.Name]
		if !ok || !value.IsSet() {
			continue
		}
		line, _ := envLine(v.Name, value.Reveal()) // looked at before
		b.WriteString(line + "\n")
	}
	_, err = file.WriteString(b.String())
	if err = errors.Join(err, file.Sync()); err != nil {
		return fmt.Errorf("add to the env file: %w", err)
	}
	return nil
}

// TakesSecrets fails if Add would fail for a secret: the file cannot be written,
// or others can read it. It changes nothing. One that is not there is made.
func (f *EnvFile) TakesSecrets() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) && f.written == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("add to the env file: %w", err)
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("add to the env file: %w", err)
	}
	return f.private(info)
}

// private fails if everybody can read the file, or change it.
func (f *EnvFile) private(info fs.FileInfo) error {
	if info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("%s can be read by everybody on this machine, so no secret is written into it: chmod o= %[1]s, then run setup again", f.path)
	}
	return nil
}

// envLine is a line that ParseDotenv reads as that name and value. The error
// does not say what the value is.
func envLine(name, value string) (string, error) {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, isControl) {
		return "", fmt.Errorf("%s has control characters in it or is not UTF-8", name)
	}
	switch {
	case !strings.ContainsAny(value, " \t#'\"$`\\*;&|<>(){}"):
		return name + "=" + value, nil
	case !strings.Contains(value, "'"):
		return name + "='" + value + "'", nil
	}
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(value) + `"`, nil
}

// FromEnvironment are the values that came from the process environment, so that
// a file can hold them: without those of grantd setup itself, which have no
// place in it.
func (c *Config) FromEnvironment() map[string]Secret {
	all := map[string]Secret{}
	for _, v := range Variables() {
		switch {
		case c.Origin(v.Name) != FromEnv, v.Group == groupSetup:
		case v.Secret:
			all[v.Name] = *v.secret(c)
		default:
			all[v.Name] = NewSecret(v.show(c))
		}
	}
	return all
}
