package dcr

import "strings"

// Text is words of the product's own, in which backticks stand around what is to
// be typed or looked for to the letter: variables, permissions, commands.
type Text string

// String is the text without these marks, for where they would be shown.
func (t Text) String() string { return strings.ReplaceAll(string(t), "`", "") }

// Spans calls plain for the words between marks and literal for what is marked,
// in their order.
func (t Text) Spans(plain, literal func(string)) {
	for i, s := range strings.Split(string(t), "`") {
		switch {
		case s == "":
		case i%2 == 0:
			plain(s)
		default:
			literal(s)
		}
	}
}
