package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"grantd/internal/config"
)

// FuzzLoad: whatever one variable holds, Load ends with a configuration that
// can be shown, or with errors that each name a variable and a problem; and no
// secret is in either.
func FuzzLoad(f *testing.F) {
	for i := range config.Variables() {
		for _, seed := range []string{"TZ=0", "@every 0s", "CRON_TZ= ", "https://me:pw@x/", "[::1]:80", "off", "a,b c", "/../", "~", "1e999", "*/0 * * * *", "TZ=\x00 * * * * *", "{id}"} {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		const marker = "hunter2"
		table := config.Variables()
		v := table[max(i, -i, 0)%len(table)]
		if v.Secret && text != "" {
			text = marker + text + marker
		}
		c, notices, err := config.Load(config.Source{Environ: append(without(good(), v.Name), v.Name+"="+text), ReadFile: disk{}.read})
		if err == nil {
			if got := len(c.Redacted()); got != len(table) {
				t.Errorf("%s=%q: %d settings", v.Name, text, got)
			}
		} else {
			all, ok := errors.AsType[config.Errors](err)
			if !ok || len(all) == 0 || c != nil {
				t.Fatalf("%s=%q: %T, %v", v.Name, text, err, c)
			}
			for _, e := range all {
				if e.Name == "" || e.Problem == "" || strings.ContainsAny(e.Error(), "\n\r\x00") {
					t.Errorf("%s=%q: %q", v.Name, text, e.Error())
				}
			}
		}
		if shown := fmt.Sprintf("%+v %#v %+v %+v", c, c, notices, err); v.Secret && strings.Contains(shown, marker) {
			t.Errorf("%s=%q is shown: %s", v.Name, text, shown)
		}
	})
}
