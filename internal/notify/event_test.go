package notify_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"grantd/internal/dcr"
	"grantd/internal/notify"
)

// What became of a client is told when it changed, and not because it is so.
func TestChanged(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	rec := func(change func(*dcr.Record)) dcr.Record {
		r := dcr.Record{ClientID: "tpc_a", Name: "ChatGPT", LastCheckedAt: now}
		change(&r)
		return r
	}
	blockedFor := func(reason dcr.Reason) dcr.Record {
		return rec(func(r *dcr.Record) {
			r.Phase, r.Reason, r.Message = dcr.Blocked, reason, "the words"
			r.Conditions.Connected = dcr.Condition{Reason: reason}
		})
	}
	refusedFor := func(reason dcr.Reason) dcr.Record {
		return rec(func(r *dcr.Record) { r.Phase, r.Reason, r.Message = dcr.Refused, reason, "the words" })
	}
	ready := rec(func(r *dcr.Record) { r.Phase, r.ReadyAt = dcr.Ready, now })
	pending := rec(func(r *dcr.Record) { r.Phase = dcr.Pending })
	unchecked := func(r dcr.Record) dcr.Record {
		r.Phase, r.Reason, r.Message = dcr.Pending, dcr.Unchecked, ""
		return r
	}
	turnedBad := refusedFor(dcr.CallbackNotAllowed)
	turnedBad.ReadyAt = now
	for name, tt := range map[string]struct {
		was, is dcr.Record
		want    string // in the line; empty: nothing is told
	}{
		"new and ready":             {dcr.Record{}, ready, "“ChatGPT” (tpc_a) is ready"},
		"ready at last":             {blockedFor(dcr.APINotFound), ready, "is ready"},
		"ready still":               {ready, ready, ""},
		"ready again":               {func() dcr.Record { r := pending; r.ReadyAt = now; return r }(), ready, ""},
		"new and blocked":           {dcr.Record{}, blockedFor(dcr.APINotFound), "is blocked: api_not_found, the words. Create it under"},
		"was ready, is blocked":     {ready, blockedFor(dcr.MissingScope), "is blocked: missing_scope"},
		"blocked still":             {blockedFor(dcr.APINotFound), blockedFor(dcr.APINotFound), ""},
		"blocked otherwise":         {blockedFor(dcr.APINotFound), blockedFor(dcr.ConnectionNotFound), "connection_not_found"},
		"blocked, new settings":     {unchecked(blockedFor(dcr.APINotFound)), blockedFor(dcr.APINotFound), ""},
		"ready, new settings":       {unchecked(ready), blockedFor(dcr.ScopesRejected), "scopes_rejected"},
		"blocked by a hold":         {pending, blockedFor(dcr.Held), ""},
		"blocked by a fight":        {pending, blockedFor(dcr.Fighting), ""},
		"new and refused":           {dcr.Record{}, refusedFor(dcr.CallbackNotAllowed), "is refused: callback_not_allowed, the words. If you trust"},
		"refused still":             {refusedFor(dcr.NoCallbacks), refusedFor(dcr.NoCallbacks), ""},
		"refused otherwise":         {refusedFor(dcr.NoCallbacks), refusedFor(dcr.CallbackNotAllowed), "callback_not_allowed"},
		"refused, new settings":     {unchecked(refusedFor(dcr.NoCallbacks)), refusedFor(dcr.NoCallbacks), ""},
		"was blocked, new settings": {unchecked(blockedFor(dcr.APINotFound)), refusedFor(dcr.NoCallbacks), "no_callbacks"},
		"grantd's own application":  {dcr.Record{}, refusedFor(dcr.OwnClient), ""},
		"turned bad":                {ready, turnedBad, "was ready and is refused now: callback_not_allowed"},
		"bad still":                 {turnedBad, turnedBad, ""},
		"failed for now":            {dcr.Record{}, pending, ""},
		"gone":                      {ready, rec(func(r *dcr.Record) { r.Phase, r.ReadyAt = dcr.Gone, now }), ""},
	} {
		e, ok := notify.Changed(tt.was, tt.is)
		if ok != (tt.want != "") || !strings.Contains(e.Line, tt.want) || ok && (e.Key == "" || e.Group == "" || e.Many == "" || e.Example == "") {
			t.Errorf("%s: %v, %+v", name, ok, e)
		}
	}
}

// The command that an event names can be pasted, whatever the client's id.
func TestClientThatBeginsWithADash(t *testing.T) {
	r := dcr.Record{ClientID: "-a", Phase: dcr.Blocked, Reason: dcr.APINotFound}
	if e, _ := notify.Changed(dcr.Record{}, r); !strings.HasSuffix(e.Line, "grantd clients show -- -a") {
		t.Errorf("%+v", e)
	}
}

func TestHoldSet(t *testing.T) {
	until := time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC)
	actor := &dcr.Actor{ID: "auth0|jane.doe"}
	for _, tt := range []struct {
		h       dcr.Hold
		want    string
		grouped bool
	}{
		{dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held, Actor: actor}, "grantd leaves everything alone until it is released: held. ", false},
		{dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Reverted}, "leaves client tpc_a alone until it is released: reverted. ", true},
		{dcr.Hold{Scope: dcr.HoldField, ClientID: "tpc_a", Field: dcr.StepGrant, Reason: dcr.Fighting, Until: until, Actor: actor}, "the step grant of client tpc_a alone until 12:30 UTC on 25 Nov: fighting. Somebody else undoes", true},
		{dcr.Hold{Scope: dcr.HoldField, Field: dcr.StepDomainLevel, Reason: dcr.Fighting, Until: until}, "the step domain_level of every client", false},
	} {
		e := notify.HoldSet(tt.h)
		if !strings.Contains(e.Line, tt.want) || (e.Group != "") != tt.grouped || e.Key == "" {
			t.Errorf("%+v", e)
		}
		if strings.Count(e.Line, "grantd hold list") != 1 {
			t.Errorf("it names the command not once: %s", e.Line)
		}
		if strings.Contains(e.Line+e.Many+e.Example, "jane") {
			t.Errorf("it names a person: %+v", e)
		}
	}
}

// That a hold is over is told with how, and many together.
func TestHoldOver(t *testing.T) {
	client := dcr.Hold{Scope: dcr.HoldClient, ClientID: "tpc_a", Reason: dcr.Held, Actor: &dcr.Actor{ID: "auth0|jane.doe"}}
	all := dcr.Hold{Scope: dcr.HoldAll, Reason: dcr.Held}
	for want, e := range map[string]notify.Event{
		"The hold on client tpc_a was released: held. ": notify.HoldReleased(client),
		"The hold on client tpc_a has run out: held. ":  notify.HoldRanOut(client),
		"The hold on everything was released: held. ":   notify.HoldReleased(all),
	} {
		if !strings.HasPrefix(e.Line, want) || !strings.HasSuffix(e.Line, ": grantd hold list") || strings.Contains(e.Line+e.Many, "jane") {
			t.Errorf("%+v", e)
		}
		if grouped := !strings.Contains(want, "everything"); (e.Group != "") != grouped || (e.Many != "") != grouped || e.Key == "" {
			t.Errorf("%+v", e)
		}
	}
	set, over := notify.HoldSet(client), notify.HoldReleased(client)
	if set.Key == over.Key || set.Group == over.Group || over.Group == notify.HoldRanOut(client).Group {
		t.Errorf("%+v is told as %+v", over, set)
	}
}

// A client is mostly ready at once, and that is not after no time at all.
func TestReadySoon(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0: "log in with it.", 47*time.Millisecond + 300*time.Microsecond: "with it, 47ms after it registered.", 12*time.Second + 340*time.Millisecond: "with it, 12.3s after it",
	} {
		if e := notify.Ready(dcr.Record{ClientID: "tpc_a", TimeToReady: took}); !strings.Contains(e.Line, want) {
			t.Errorf("%v: %s", took, e.Line)
		}
	}
}

func TestScarce(t *testing.T) {
	free, _ := dcr.PlanLimits("free")
	if e := notify.Scarce("applications", 8, 10, free); !strings.Contains(e.Line, "has 8 of 10 applications (of the plan free)") {
		t.Error(e.Line)
	}
	guess, _ := dcr.GuessLimits(10, dcr.Totals{})
	if e := notify.Scarce("grants", 9000, 10_000, guess); !strings.Contains(e.Line, "9000 of 10000 grants (as grantd guesses of the plan essentials or professional; GRANTD_PLAN says which it is)") {
		t.Error(e.Line)
	}
}

// What is wrong and what to do about it are told once each, in particular of one
// client and in general of many.
func TestBlockedSaysWhatToDo(t *testing.T) {
	e, ok := notify.Changed(dcr.Record{}, dcr.Record{
		ClientID: "tpc_a", Phase: dcr.Blocked, Reason: dcr.ConnectionNotDomainLevel, Message: `"corp" is not one`, Fix: dcr.PromoteConnection("corp"),
	})
	for _, want := range []string{"is not one. Auth0", "→ corp →", "GRANTD_CONNECTION_LEVEL=domain and"} {
		if !ok || strings.Count(e.Line, want) != 1 {
			t.Errorf("%q lacks %q", e.Line, want)
		}
	}
	if strings.Count(e.Many, "→ the connection →") != 1 || strings.Contains(e.Line+e.Many, "`") {
		t.Errorf("many: %q", e.Many)
	}
}

// A stranger chooses the name of a client, and parts of the words that Auth0
// refuses it with. Neither may mention anybody, lead anywhere or look like
// somebody else's line.
func TestHostileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat(t)
		for i, name := range hostile() {
			id := "tpc_" + string(rune('a'+i))
			c.Tell(ready(id, name))
			e, _ := notify.Changed(dcr.Record{}, dcr.Record{ClientID: id, Phase: dcr.Blocked, Reason: dcr.RejectedByAuth0, Message: name})
			c.Tell(e)
			time.Sleep(2 * time.Hour)
			for _, p := range c.got() {
				harmless(t, name, p.text)
			}
		}
		c.stop()
	})
}

func hostile() []string {
	return []string{
		"<!channel> <@U123> <https://evil.example|click here>", "&lt;!here&gt;", "@channel @everyone＠here",
		"[ChatGPT](https://evil.example/x) ![](http://evil.example/y)", "see https://evil.example", "www.evil.example", "evil。example ｅｖｉｌ．example",
		"javascript:alert(1) mailto:a@evil.example", "10.0.0.1:8080", "a\nb\r\n• \u2028\u2029grantd: all is well", "*b* ~s~ `c` |t| \\x",
		"_i_ __u__ ___x___ a_ _b snake_case_name a__b__c", "x” (tpc_z) is ready: people can log in with it. „y‟",
		"x\u202e\u200bgpj.exe\x00\x1b[31m", strings.Repeat("A", 10_000), strings.Repeat("\U0001F600", 5000), "\xff\xfe", "a@(https://evil.example)", "",
	}
}

func harmless(t *testing.T, name, text string) {
	t.Helper()
	name, text = name[:min(len(name), 60)], strings.ReplaceAll(text, "\n• ", " ")
	switch {
	case !utf8.ValidString(text), utf8.RuneCountInString(text) > 1000, strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }):
		t.Errorf("%q: %q", name, text)
	}
	for _, bad := range []string{"<", ">", "@", "＠", "://", "evil.", "evil。", "ｌ．", "www.", ":a", "](", "*", "`", "~", "|", "0.0.0", "mailto:a", "javascript:a"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q has %q: %q", name, bad, text)
		}
	}
	if strings.Count(text, "”") != strings.Count(text, "“") || strings.ContainsAny(text, "„‟") {
		t.Errorf("%q ends its quotes itself: %q", name, text)
	}
	for i, r := range text {
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+1:])
		if r == '_' && (!unicode.IsLetter(before) && !unicode.IsDigit(before) || !unicode.IsLetter(after) && !unicode.IsDigit(after)) {
			t.Errorf("%q makes markup: %q", name, text)
		}
	}
	for rest := text; strings.Contains(rest, "&"); {
		_, rest, _ = strings.Cut(rest, "&")
		if !strings.HasPrefix(rest, "amp;") && !strings.HasPrefix(rest, "lt;") && !strings.HasPrefix(rest, "gt;") {
			t.Errorf("%q: %q", name, text)
		}
	}
}

// What a person has to read stays readable.
func TestTameWords(t *testing.T) {
	e, _ := notify.Changed(dcr.Record{}, dcr.Record{
		ClientID: "tpc_a", Name: "my_mcp_client", Phase: dcr.Blocked, Reason: dcr.RejectedByAuth0, Message: "invalid_body: _x_",
	})
	if !strings.Contains(e.Line, "“my_mcp_client” (tpc_a) is blocked: rejected_by_auth0, invalid_body: 'x'. ") {
		t.Error(e.Line)
	}
}

// Whatever the name, what is posted is harmless.
func FuzzName(f *testing.F) {
	for _, name := range hostile() {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		e := ready("tpc_a", name)
		if len(e.Line) > 2000 || !utf8.ValidString(e.Line) {
			t.Errorf("%q", e.Line)
		}
		for _, bad := range []string{"@", "://", "](", "*", "`", "\n", "\r", "\u2028", "~", "|"} {
			if strings.Contains(e.Line, bad) {
				t.Errorf("%q has %q: %q", name, bad, e.Line)
			}
		}
	})
}

// What is so for a while is told when it begins and when it ends; what flickers,
// now and then, and in the end as it is; a restart tells nothing again.
func TestStanding(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	var s notify.Standing
	look := func(on bool, after time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		if got := s.Look("down", on, now); got != want {
			t.Errorf("%v at %v: told %v", on, now, got)
		}
	}
	look(false, 0, false)
	look(true, time.Minute, true)
	look(true, time.Hour, false)
	look(false, time.Minute, true)
	look(true, time.Minute, false) // flickers
	look(false, time.Minute, false)
	look(true, time.Minute, false)
	look(true, 8*time.Minute, true)

	kept := s.Snapshot()
	s = notify.Standing{}
	if err := s.Restore(kept); err != nil {
		t.Fatal(err)
	}
	look(true, time.Hour, false)
	look(false, time.Minute, true)
	if err := s.Restore(nil); err != nil {
		t.Error(err)
	}
	if err := s.Restore([]byte("{")); err == nil {
		t.Error("no error")
	}
}
