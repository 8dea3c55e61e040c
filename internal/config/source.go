package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"grantd/internal/display"
)

// How much of a file is read, in bytes; a longer one is an error.
const (
	maxEnvFile    = 1 << 20
	maxSecretFile = 64 << 10
)

// Source is where Load reads from.
type Source struct {
	// Environ is the process environment, as os.Environ returns it. An empty
	// value counts as not set. If a name comes twice, the last one counts.
	Environ []string
	// EnvFile is the file of --env-file; empty for none. The process
	// environment wins over it.
	EnvFile string
	// ReadFile reads the env file, secret files and credentials; nil reads from
	// disk, a bounded part.
	ReadFile func(name string) ([]byte, error)
}

// value is the text of one variable and where it came from.
type value struct {
	text   Secret
	origin Origin
	name   string // the variable it was set by: the name, the alias, NAME_FILE or ALIAS_FILE
	where  string // FILE or FILE:LINE; empty for the process environment
}

// lookup is what a Source holds.
type lookup struct {
	env     map[string]Secret
	file    map[string]Assignment
	envFile string
	read    func(name string, limit int) ([]byte, error)

	places  map[string]string // of the values found, by variable
	errs    Errors
	notices []Notice
}

func newLookup(src Source) *lookup {
	l := &lookup{env: map[string]Secret{}, file: map[string]Assignment{}, places: map[string]string{}, envFile: src.EnvFile}
	l.read = func(name string, limit int) ([]byte, error) { return readFile(src.ReadFile, name, limit) }
	for _, kv := range src.Environ {
		if name, text, ok := strings.Cut(kv, "="); ok && name != "" {
			l.env[name] = NewSecret(text)
		}
	}
	if src.EnvFile != "" {
		l.readEnvFile()
	}
	return l
}

func (l *lookup) readEnvFile() {
	data, err := l.read(l.envFile, maxEnvFile)
	if err != nil {
		l.errs = append(l.errs, &FieldError{Where: l.envFile, Problem: "read the env file: " + reason(err), Hint: "is the path of --env-file right, and may this user read it?"})
		return
	}
	all, bad := ParseDotenv(data)
	for _, e := range bad {
		l.errs = append(l.errs, &FieldError{Where: l.place(e.Line), Problem: e.Problem, Hint: e.Hint})
	}
	for _, a := range all {
		if before, ok := l.file[a.Name]; ok && before.Value.IsSet() && !before.Value.Equal(a.Value) && known(a.Name) {
			l.notice(a.Name, "set twice in %s; line %d counts, line %d does not", l.envFile, a.Line, before.Line)
		}
		l.file[a.Name] = a
	}
}

// plain finds a name in the process environment, else in the env file.
func (l *lookup) plain(name string) (value, bool) {
	a, inFile := l.file[name]
	inFile = inFile && a.Value.IsSet()
	if text := l.env[name]; text.IsSet() {
		if inFile && !text.Equal(a.Value) {
			l.notice(name, "the process environment has another value than %s, and wins", l.place(a.Line))
		}
		return value{text, FromEnv, name, ""}, true
	}
	return value{a.Value, FromEnvFile, name, l.place(a.Line)}, inFile
}

// either finds a name or its alias; both may be set if they agree.
func (l *lookup) either(v Variable, suffix string) (value, bool) {
	main, ok := l.plain(v.Name + suffix)
	if v.Alias == "" {
		return main, ok
	}
	other, also := l.plain(v.Alias + suffix)
	switch {
	case ok && also && !main.text.Equal(other.text):
		l.fail(v, main.where, "", wrong("keep "+v.Name+suffix, "%s is set too, to another value", v.Alias+suffix))
	case also:
		l.notice(v.Name, "%s is an alias; write %s", v.Alias+suffix, v.Name+suffix)
	}
	if ok {
		return main, true
	}
	return other, also
}

// find returns a variable's value, whichever way it was set. ok is false also
// if there was an error.
func (l *lookup) find(v Variable) (value, bool) {
	direct, ok := l.either(v, "")
	if !v.Secret {
		return direct, ok
	}
	var ways []string
	if ok {
		ways = append(ways, direct.name)
	}
	path, inFile := l.either(v, "_FILE")
	if inFile {
		ways = append(ways, path.name)
	}
	credential, inDir := l.credential(v)
	if inDir {
		ways = append(ways, "the systemd credential "+v.credential())
	}
	switch {
	case len(ways) > 1:
		l.fail(v, "", "", wrong("keep one of them", "set in more than one way: %s", strings.Join(ways, ", ")))
		return value{}, false
	case inFile:
		return l.secretFile(v, path.text.Reveal(), FromFile, path.name)
	case inDir:
		return l.secretFile(v, credential, FromCredential, "")
	}
	return direct, ok
}

// credential is the path of the variable's systemd credential, if there is one
// (systemd.exec(5), LoadCredential=).
func (l *lookup) credential(v Variable) (path string, ok bool) {
	dir := l.env["CREDENTIALS_DIRECTORY"].Reveal()
	if dir == "" {
		return "", false
	}
	path = filepath.Join(dir, v.credential())
	_, err := l.read(path, maxSecretFile)
	return path, !errors.Is(err, fs.ErrNotExist)
}

// secretFile reads a secret, which loses one newline at its end.
func (l *lookup) secretFile(v Variable, path string, origin Origin, name string) (value, bool) {
	data, err := l.read(path, maxSecretFile)
	if err != nil {
		l.fail(v, path, "", wrong("is the path right, and may this user read it?", "read the secret: %s", reason(err)))
		return value{}, false
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		l.fail(v, path, "", wrong("write the secret into it", "the file is empty"))
		return value{}, false
	}
	return value{NewSecret(text), origin, name, path}, true
}

// fail records what a parser or a lookup found wrong with v. shown is the value
// to show; nothing is shown of a secret.
func (l *lookup) fail(v Variable, where, shown string, err error) {
	if v.Secret {
		shown = ""
	}
	for _, p := range problems(err) {
		l.errs = append(l.errs, &FieldError{Name: v.Name, Value: shown, Where: where, Problem: display.Visible(p.text), Hint: display.Visible(p.hint)})
	}
}

func (l *lookup) notice(name, format string, args ...any) {
	l.notices = append(l.notices, Notice{name, fmt.Sprintf(format, args...)})
}

// place is a line of the env file.
func (l *lookup) place(line int) string { return fmt.Sprintf("%s:%d", l.envFile, line) }

// readFile reads at most limit bytes of a file, and fails if there are more.
func readFile(read func(string) ([]byte, error), name string, limit int) ([]byte, error) {
	if read == nil {
		read = func(name string) ([]byte, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer func() { _ = f.Close() }()
			return io.ReadAll(io.LimitReader(f, int64(limit)+1))
		}
	}
	data, err := read(name)
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("the file is longer than %d bytes", limit)
	}
	return data, err
}

// reason is an error without the path that a PathError repeats.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
