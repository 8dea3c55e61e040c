package explain

import (
	"regexp"

	"grantd/internal/display"
)

const (
	maxText  = 300 // characters of Auth0's words, and of messages
	maxShort = 120 // of names, ids and audiences
	maxURI   = 200
)

// maxCommand is how long a command may be, in characters: a list of some hundred
// scopes.
const maxCommand = 8000

// whole is a command to paste, or nothing: one that was cut or changed would do
// something else. Doctor prints it.
func whole(command string) string {
	if display.Line(command, maxCommand) != command {
		return ""
	}
	return command
}

// personal matches what tells of a person: mail addresses, user ids of a
// connection such as auth0|… or google-oauth2|…, and IP addresses.
func personal() *regexp.Regexp {
	return regexp.MustCompile(`[^\s"'<>()]+@[^\s"'<>()]+` +
		`|[A-Za-z0-9_-]+(?:\||%7[Cc])[^\s"'<>()]+` +
		`|\b\d{1,3}(?:\.\d{1,3}){3}\b` +
		`|\b(?:[0-9A-Fa-f]{1,4}:){3,7}(?::?[0-9A-Fa-f]{0,4})+` +
		`|\b(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?`)
}

// impersonal takes out of Auth0's words what tells of a person. Loopback is
// everybody's address, and stands in callbacks.
func impersonal(s string) string {
	return personal().ReplaceAllStringFunc(s, func(found string) string {
		if found == "127.0.0.1" || found == "::1" {
			return found
		}
		return "(removed)"
	})
}

// quote shows words of others as such.
func quote(s string) string { return "“" + s + "”" }
