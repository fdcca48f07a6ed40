package client

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/msctl/msctl/templates"
)

// words is a name without its spelling: listOrderLines is {"list", "order", "lines"}.
type words []string

// wordsOf splits a name where its spelling does: at what is neither a letter nor
// a digit, and where capitals begin or end. It is never empty.
func wordsOf(name string) words {
	var w words
	word := []rune{}
	end := func() {
		if len(word) > 0 {
			w = append(w, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(name)
	for n, r := range runes {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			end()
			continue
		}
		if unicode.IsUpper(r) && n > 0 && (!unicode.IsUpper(runes[n-1]) || n+1 < len(runes) && unicode.IsLower(runes[n+1])) {
			end()
		}
		word = append(word, r)
	}
	end()
	if len(w) == 0 || unicode.IsDigit(rune(w[0][0])) {
		w = append(words{"x"}, w...)
	}
	return w
}

func (w words) with(name string) words { return append(slices.Clone(w), wordsOf(name)...) }

// Snake is the form of functions and modules in Python.
func (w words) Snake() string { return strings.Join(w, "_") }

// Pascal is the form of types in all languages.
func (w words) Pascal() string {
	var b strings.Builder
	for _, word := range w {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// Exported is the form of Go's exported names: ItemID.
func (w words) Exported() string { return templates.GoName(w) }

// names are those that are taken, in the one form that no two spellings share.
type names map[string]bool

// take is w, with a number where another has its name.
func (taken names) take(w words) words {
	out := w
	for n := 2; taken[strings.Join(out, "")]; n++ {
		out = append(slices.Clone(w), strconv.Itoa(n))
	}
	taken[strings.Join(out, "")] = true
	return out
}

// reservedTypes are names that clients have for other things, in some language.
func reservedTypes(service string) names {
	taken := names{}
	for _, name := range []string{"any", "literal", "typed dict", "type alias", "calls", "client", service + " client", "new", "none", "true", "false", "promise", "stub"} {
		taken.take(wordsOf(name))
	}
	return taken
}
