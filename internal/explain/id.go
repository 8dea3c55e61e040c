package explain

import (
	"net/url"
	"strings"

	"grantd/internal/dcr"
)

// maxDocument is the longest URL of a metadata document, in bytes: it stands in a
// search three times, and one that is too long is refused.
const maxDocument = 512

// ValidID reports whether a story can be told of s: a client id, or the https
// URL of a Client ID Metadata Document in printable ASCII without quotes and
// backslashes, so that it can stand in a search as it is.
func ValidID(s string) bool { return dcr.ValidClientID(s) || ValidDocument(s) }

// ValidDocument reports whether s can be the URL of a metadata document.
func ValidDocument(s string) bool {
	if len(s) > maxDocument || !strings.HasPrefix(s, "https://") ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && u.User == nil
}
