package config_test

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"grantd/internal/config"
)

// ways are ways to print a value.
func ways(t *testing.T, v any) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%p", "%T", "%10.3s", "%U"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	all["Sprint"] = fmt.Sprint(v)
	all["Errorf"] = fmt.Errorf("x: %v", v).Error()
	if b, err := json.Marshal(v); err == nil {
		all["json"] = string(b)
	}
	if b, err := xml.Marshal(v); err == nil {
		all["xml"] = string(b)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(v); err == nil {
		all["gob"] = buf.String()
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("x", "v", v, slog.Group("g", "v", v))
		all[name] = b.String()
	}
	var b strings.Builder
	if err := template.Must(template.New("").Parse("{{.}}")).Execute(&b, v); err == nil {
		all["template"] = b.String()
	}
	return all
}

type exported struct{ Secret config.Secret }

type unexported struct{ secret config.Secret }

type embedded struct{ config.Secret }

func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "hunter2-hunter2"
	s := config.NewSecret(text)
	c, notices := load(t, good("GRANTD_ADMIN_TOKEN="+text, "LOG_WEBHOOK_SECRET_PREVIOUS="+text+text, "GRANTD_TYPO="+text),
		disk{"grantd.env": "MGMT_CLIENT_SECRET=" + text})
	assignments, lineErrors := config.ParseDotenv([]byte("A=" + text + "\n" + text + "\n"))
	if len(lineErrors) != 1 {
		t.Fatalf("line errors: %v", lineErrors)
	}
	for name, v := range map[string]any{
		"secret": s, "pointer": &s, "slice": []config.Secret{s}, "map": map[string]config.Secret{"k": s},
		"exported": exported{s}, "unexported": unexported{s}, "embedded": embedded{s},
		"pointer to struct": &unexported{s}, "any": []any{s}, "error": errors.Join(fmt.Errorf("%v", s)),
		"config": *c, "pointer to config": c, "settings": c.Redacted(), "notices": notices,
		"assignments": assignments, "line error": *lineErrors[0],
	} {
		for way, got := range ways(t, v) {
			for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% x", text), clientSecret, webhookSecret, text[:7]} {
				if strings.Contains(got, leak) {
					t.Errorf("%s by %s: %s", name, way, got)
				}
			}
		}
	}
	if s.Reveal() != text {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}

func TestSecretPrintsAs(t *testing.T) {
	for _, tt := range []struct {
		secret config.Secret
		want   string
	}{{config.NewSecret("x"), "[redacted]"}, {config.NewSecret(""), "[unset]"}, {config.Secret{}, "[unset]"}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, tt.secret); got != tt.want {
				t.Errorf("%s: %q, want %q", verb, got, tt.want)
			}
		}
		if got, err := json.Marshal(tt.secret); err != nil || string(got) != `"`+tt.want+`"` {
			t.Errorf("json: %s, %v", got, err)
		}
		if got, err := encoding.TextMarshaler(tt.secret).MarshalText(); err != nil || string(got) != tt.want {
			t.Errorf("text: %s, %v", got, err)
		}
		if got := tt.secret.GoString(); got != tt.want {
			t.Errorf("GoString: %s", got)
		}
		if got := tt.secret.LogValue().String(); got != tt.want {
			t.Errorf("LogValue: %s", got)
		}
		if tt.secret.IsSet() != (tt.want == "[redacted]") || !tt.secret.Equal(config.NewSecret(tt.secret.Reveal())) {
			t.Errorf("IsSet or Equal of %s", tt.want)
		}
	}
	if config.NewSecret("x").Equal(config.NewSecret("y")) {
		t.Error("x equals y")
	}
}
