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
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			break
		}
		before, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		addr = before
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
