package http

import (
	nethttp "net/http"
	"net/netip"
	"strings"
	"testing"
)

// TestPeer: what a stranger writes into X-Forwarded-For is never believed, and
// what a proxy adds to it is.
func TestPeer(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::1/128")}
	for name, tt := range map[string]struct {
		remote  string
		headers []string
		want    string
	}{
		"direct":                            {"203.0.113.9:1", nil, "203.0.113.9"},
		"a stranger claims to be somebody":  {"203.0.113.9:1", []string{"192.0.2.1"}, "203.0.113.9"},
		"a stranger claims to be a proxy":   {"203.0.113.9:1", []string{"10.0.0.1"}, "203.0.113.9"},
		"by a proxy":                        {"10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		"by a proxy, the front is his word": {"10.0.0.1:1", []string{"192.0.2.1, 203.0.113.9"}, "203.0.113.9"},
		"by a proxy, his word is a proxy":   {"10.0.0.1:1", []string{"10.0.0.7, 203.0.113.9"}, "203.0.113.9"},
		"by two proxies":                    {"10.0.0.1:1", []string{"192.0.2.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"by two proxies, two headers":       {"10.0.0.1:1", []string{"192.0.2.1, 203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		"by a proxy that says nothing":      {"10.0.0.1:1", nil, "10.0.0.1"},
		"from a proxy itself":               {"10.0.0.1:1", []string{"10.0.0.3"}, "10.0.0.3"},
		"with a port":                       {"10.0.0.1:1", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6":                              {"[fd00::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 in brackets, with a port":     {"[fd00::1]:1", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		"IPv4 over IPv6":                    {"[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"what cannot be read ends it":       {"10.0.0.1:1", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"the same, halfway":                 {"10.0.0.1:1", []string{"203.0.113.9, <script>, 10.0.0.2"}, "10.0.0.2"},
		"no address":                        {"@", []string{"203.0.113.9"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &nethttp.Request{RemoteAddr: tt.remote, Header: nethttp.Header{"X-Forwarded-For": tt.headers}}
			if got := peer(r, proxies).String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if got := peer(r, nil); got != peer(&nethttp.Request{RemoteAddr: tt.remote}, nil) {
				t.Errorf("%s without proxies", got)
			}
		})
	}
}

// TestLongHeadersCostNothing: a stranger chooses how long they are.
func TestLongHeadersCostNothing(t *testing.T) {
	r := &nethttp.Request{RemoteAddr: "203.0.113.9:1", Header: nethttp.Header{"X-Forwarded-For": {strings.Repeat(",", 16<<10)}}}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	cost := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			peer(r, proxies)
		}
	})
	if got := cost.AllocedBytesPerOp(); got > 100 {
		t.Errorf("%d bytes", got)
	}
}

// FuzzPeer: whatever the header, one who is no proxy is who connected.
func FuzzPeer(f *testing.F) {
	f.Add("203.0.113.9, 10.0.0.1")
	f.Fuzz(func(t *testing.T, header string) {
		proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		r := &nethttp.Request{RemoteAddr: "203.0.113.9:1", Header: nethttp.Header{"X-Forwarded-For": {header}}}
		if got := peer(r, proxies).String(); got != "203.0.113.9" {
			t.Errorf("%q: %s", header, got)
		}
		r.RemoteAddr = "10.0.0.1:1"
		if got := peer(r, proxies); !got.IsValid() {
			t.Errorf("%q: %s", header, got)
		}
	})
}
