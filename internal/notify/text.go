package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"grantd/internal/display"
)

const (
	// maxName and maxMessage bound text from outside, and maxLine a line, in
	// characters.
	maxName, maxMessage, maxLine = 60, 240, 700
)

// tame makes text from outside, such as the name that a stranger gave to a
// client, harmless in a chat: it is one printable line of at most n characters
// that mentions nobody, links to nothing and formats nothing, whether the chat
// reads it as Slack's markup, as Markdown or as plain text in which it looks
// for addresses.
func tame(s string, n int) string {
	var b strings.Builder
	runes := []rune(s)
	if len(runes) > 4*n {
		runes = runes[:4*n] // what is cut anyway need not be looked at
	}
	for i, r := range runes {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case !unicode.IsGraphic(r) || r == utf8.RuneError:
			b.WriteRune(unicode.ReplacementChar)
		case strings.ContainsRune("*`~|\\\"“”„‟", r), r == '_' && !joins(runes, i):
			b.WriteByte('\'') // neither markup nor the end of a quoted name
		case r == '[':
			b.WriteByte('(')
		case r == ']':
			b.WriteByte(')')
		case r == '@', r == '＠':
			b.WriteString("(at)")
		case r == ':' && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]):
			b.WriteString(": ") // neither https:// nor mailto: nor an emoji's name
		case isDot(r) && i+1 < len(runes) && !unicode.IsSpace(runes[i+1]) && !unicode.IsDigit(runes[i+1]):
			b.WriteString("(.)") // no host's name
		case isDot(r) && i+1 < len(runes) && unicode.IsDigit(runes[i+1]) && strings.Count(b.String(), ".") > 0:
			b.WriteString("(.)") // nor an address
		default:
			b.WriteRune(r)
		}
	}
	return display.Cut(strings.Join(strings.Fields(b.String()), " "), n)
}

// joins reports whether what stands at i is between two letters or digits, as in
// access_denied, where no chat takes it for the start or the end of something.
func joins(runes []rune, i int) bool {
	return i > 0 && wordly(runes[i-1]) && i+1 < len(runes) && wordly(runes[i+1])
}

func wordly(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// isDot reports whether a browser takes r for a dot between labels (UTS #46).
func isDot(r rune) bool { return r == '.' || r == '。' || r == '．' || r == '｡' }

// escape makes text plain where Slack looks for markup.
// https://docs.slack.dev/messaging/formatting-message-text#escaping
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
