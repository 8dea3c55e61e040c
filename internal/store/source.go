package store

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
)

// sourceSize is how many bytes of a hash stand for a source: few enough that
// addresses are not told apart by it for sure, enough that strangers who share
// a turn are rare.
const sourceSize = 4

// sourceOf stands for the network of an address: 8 hex digits, keyed by the
// ledger's prefix, empty for what is not an address. One subscriber has a whole
// /64 of IPv6, so that is one source (RFC 6177).
func sourceOf(prefix, address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		network, err := ip.Prefix(64)
		if err != nil {
			return ""
		}
		ip = network.Addr()
	}
	sum := sha256.Sum256([]byte(prefix + ip.String()))
	return hex.EncodeToString(sum[:sourceSize])
}
