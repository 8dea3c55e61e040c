package http

import (
	nethttp "net/http"
	"net/netip"
	"slices"
	"strings"
)

// peer is who made the request: the address that connected or, where that is a
// proxy of ours, the last one in X-Forwarded-For that is not. Each proxy adds
// whom it saw at the end, so that everything before the first stranger is his
// own word. It is for people to read and decides nothing.
func peer(r *nethttp.Request, proxies []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := plainAddr(ap.Addr())
	isProxy := func(p netip.Prefix) bool { return p.Contains(addr) }
	// From the end, and no further than there are proxies: it may be long.
	hops := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	for hops != "" && slices.ContainsFunc(proxies, isProxy) {
		i := strings.LastIndexByte(hops, ',')
		before, ok := parseHop(strings.TrimSpace(hops[i+1:]))
		if !ok {
			break
		}
		addr, hops = before, hops[:max(i, 0)]
	}
	return addr
}

// parseHop reads an address, which some proxies write with a port.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(ap.Addr()), true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return plainAddr(addr), err == nil
}

// plainAddr is the address as configuration has it.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
