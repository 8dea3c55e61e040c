package page

import (
	"slices"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// punctuation ends a word and is no part of it.
const punctuation = ".,;:)"

// marked is text whose variables, permissions, codes and commands are set as
// code, so that they are told from the words around them.
func marked(text string) g.Node {
	words := strings.Split(text, " ")
	var nodes g.Group
	for i := 0; i < len(words); {
		if i > 0 {
			nodes = append(nodes, g.Text(" "))
		}
		n := literal(words[i:])
		if n == 0 {
			nodes = append(nodes, g.Text(words[i]))
			i++
			continue
		}
		all := strings.Join(words[i:i+n], " ")
		bare := strings.TrimRight(all, punctuation)
		nodes = append(nodes, h.Code(g.Text(bare)), g.Text(all[len(bare):]))
		i += n
	}
	return nodes
}

// literal is how many of the words, from the first on, are code.
func literal(words []string) int {
	w := strings.TrimRight(words[0], punctuation)
	switch before, after, pair := strings.Cut(w, ":"); {
	case words[0] == "grantd":
		return commandLine(words)
	case strings.ContainsAny(w, "_=") && consistsOf(w, func(r rune) bool { return letter(r) || '0' <= r && r <= '9' || r == '_' || r == '=' }):
		return 1
	case pair && consistsOf(before, lower) && consistsOf(after, lower):
		return 1 // a permission
	default:
		return 0
	}
}

// commandLine is how many of the words are a command of grantd's, 0 where the first
// is only its name.
func commandLine(words []string) int {
	n, ended := 1, false
	take := func(which ...string) bool {
		if ended || n == len(words) {
			return false
		}
		w := strings.TrimRight(words[n], punctuation)
		if len(which) > 0 && !slices.Contains(which, w) {
			return false
		}
		ended = w != words[n]
		n++
		return true
	}
	if !take("clients", "hold", "ledger", "sync", "revert", "history", "explain", "doctor") {
		return 0
	}
	take("list", "show", "add", "release", "check", "resync", "forget")
	for {
		switch {
		case take("--phase", "--reason", "--field"):
			take()
		case take("--adopt", "CLIENT_ID"):
		default:
			return n
		}
	}
}

func consistsOf(s string, of func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !of(r) }) < 0
}

func letter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

func lower(r rune) bool { return 'a' <= r && r <= 'z' || r == '_' }
