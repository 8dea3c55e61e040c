package daemon

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grantd/internal/dcr"
	"grantd/internal/explain"
	"grantd/internal/tenantsim"
)

// Whoever asks what is wrong keeps no registration waiting, where calls are
// scarcest; and gets an answer in time all the same.
func TestRegistrationsGoBeforeCommands(t *testing.T) {
	for name, within := range map[string]time.Duration{"doctor": 20 * time.Second, "explain": 25 * time.Second} {
		for _, after := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second} {
			t.Run(fmt.Sprint(name, " ", after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, tenantsim.Options{Plan: tenantsim.Free})
					w.environ["GRANTD_POLL_SCHEDULE"] = "off"
					known, err := w.tenant.Register(tenantsim.ChatGPT("known"))
					if err != nil {
						t.Fatal(err)
					}
					w.start()
					defer w.stop()
					w.tenant.SetLatency(50 * time.Millisecond)
					time.Sleep(10*time.Minute + 7*time.Second)
					answered := make(chan error, 1)
					began := time.Now()
					go func() {
						var err error
						if name == "doctor" {
							_, err = w.d.Doctor(t.Context())
						} else {
							_, err = w.d.Explain(t.Context(), known.ID)
						}
						answered <- err
					}()
					synctest.Wait()
					time.Sleep(after)
					registered := time.Now()
					c, err := w.tenant.Register(tenantsim.ChatGPT("new"))
					if err != nil {
						t.Fatal(err)
					}
					for w.records()[c.ID].Phase != dcr.Ready && time.Since(registered) < time.Minute {
						time.Sleep(10 * time.Millisecond)
					}
					took := time.Since(registered)
					if took > 2500*time.Millisecond {
						t.Errorf("ready after %v", took)
					}
					if err := <-answered; err != nil || time.Since(began) > within {
						t.Errorf("answered after %v: %v", time.Since(began), err)
					}
					t.Logf("ready after %v, answered after %v", took, time.Since(began))
				})
			})
		}
	}
}

// A crowd that registers keeps nobody from an answer: after a while commands
// take turns with it.
func TestCommandsDoNotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tenantsim.Options{})
		w.tenant.SetScopes(bubbleApp, append(w.permissions(), "read:tenant_settings")...)
		w.tenant.SetSetting("resource_parameter_profile", `"audience"`)
		w.environ["GRANTD_POLL_SCHEDULE"] = "off"
		w.environ["GRANTD_STORM_AFTER"] = "1000"
		w.environ["GRANTD_MGMT_RPS"] = "2"
		known, err := w.tenant.Register(tenantsim.ChatGPT("known"))
		if err != nil {
			t.Fatal(err)
		}
		w.start()
		defer w.stop()
		w.tenant.SetLatency(50 * time.Millisecond)
		time.Sleep(10 * time.Minute)
		for i := range 60 {
			status, answer := w.tenant.Do(tenantsim.Admin(), http.MethodPost, "/api/v2/clients", map[string]any{
				"name": "ChatGPT", "is_first_party": false, "app_type": "regular_web", "callbacks": []string{fmt.Sprint("https://chatgpt.com/connector/oauth/", i)},
			})
			if status != http.StatusCreated {
				t.Fatalf("%s", answer)
			}
		}
		synctest.Wait()
		began := time.Now()
		s, err := w.d.Explain(t.Context(), known.ID)
		if err != nil || s.Auth0 != explain.Exists || !s.Conditions.Granted.Now.Known {
			t.Errorf("%v, %+v", err, s)
		}
		if !slices.ContainsFunc(s.Causes, func(c explain.Cause) bool { return c.Code == explain.ResourceIgnored }) {
			t.Errorf("the tenant was not looked at: %+v", s.Causes)
		}
		if urgent := w.d.budget.Snapshot().Urgent; urgent == 0 {
			t.Error("nobody waits any more: the crowd is too small")
		}
		t.Logf("answered after %v", time.Since(began))
	})
}
