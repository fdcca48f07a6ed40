package templates

import (
	"regexp"
	"strings"
	"unicode"
)

// The names that a template's project is written under, as words.
var (
	serviceSentinel  = words{"acme", "widgets"}
	resourceSentinel = words{"spare", "gadget"}
)

// words is a name without its spelling: order-line is {"order", "line"}.
type words []string

// wordsOf splits a name at its dashes and underscores.
func wordsOf(name string) words {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' })
}

func (w words) kebab() string { return strings.Join(w, "-") }
func (w words) snake() string { return strings.Join(w, "_") }
func (w words) plain() string { return strings.Join(w, " ") }
func (w words) upper() string { return strings.ToUpper(w.snake()) }
func (w words) title() string { return w.join(" ", capital) }

// pascal is the form of exported names, as Go's linters want it: UserID.
func (w words) pascal() string { return w.join("", exported) }

// typeName is pascal without Go's initialisms, which other languages do not have.
func (w words) typeName() string { return w.join("", capital) }

func (w words) camel() string {
	return w[0] + w[1:].join("", capital)
}

func (w words) sentence() string { return capital(w.plain()) }

func (w words) join(sep string, form func(string) string) string {
	out := make([]string, len(w))
	for n, word := range w {
		out[n] = form(word)
	}
	return strings.Join(out, sep)
}

// plural is w with its last word in the plural, by English's regular rules.
func (w words) plural() words {
	last := len(w) - 1
	return append(append(words{}, w[:last]...), plural(w[last]))
}

func plural(word string) string {
	before := func(suffix string) byte {
		if len(word) > len(suffix) {
			return word[len(word)-len(suffix)-1]
		}
		return 0
	}
	switch {
	case strings.HasSuffix(word, "y") && !strings.ContainsRune("aeiou", rune(before("y"))):
		return strings.TrimSuffix(word, "y") + "ies"
	case strings.HasSuffix(word, "s"), strings.HasSuffix(word, "x"), strings.HasSuffix(word, "z"),
		strings.HasSuffix(word, "ch"), strings.HasSuffix(word, "sh"):
		return word + "es"
	}
	return word + "s"
}

func capital(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// initialisms are those of Go's linters that occur in field names.
var initialisms = map[string]bool{
	"api": true, "cpu": true, "dns": true, "html": true, "http": true, "https": true, "id": true, "ip": true, "json": true, "sku": false,
	"sql": true, "uid": true, "uri": true, "url": true, "uuid": true, "vat": false, "xml": true,
}

// GoName is the name that Go exports, of words in small letters: UserID.
func GoName(name []string) string { return words(name).pascal() }

func exported(word string) string {
	if initialisms[word] {
		return strings.ToUpper(word)
	}
	return capital(word)
}

// spellings are the forms in which from may stand in a project, each with the
// same form of to.
func spellings(from, to words) []string {
	return []string{
		from.kebab(), to.kebab(),
		from.snake(), to.snake(),
		from.typeName(), to.typeName(),
		from.camel(), to.camel(),
		from.upper(), to.upper(),
		from.title(), to.title(),
		from.sentence(), to.sentence(),
		from.plain(), to.plain(),
	}
}

// renamer replaces texts by others; of two that begin alike, the first named.
type renamer struct{ *strings.Replacer }

func renameService(name string, texts ...string) renamer {
	return renamer{strings.NewReplacer(append(texts, spellings(serviceSentinel, wordsOf(name))...)...)}
}

func renameResource(r Resource, number, before string) renamer {
	w := wordsOf(r.Name)
	many := spellings(resourceSentinel.plural(), wordsOf(r.plural()))
	one := spellings(resourceSentinel, w)
	return renamer{strings.NewReplacer(append(append(many, one...), "0001", number, "0000", before)...)}
}

// renameField replaces the name that a type's field has in projects.
func renameField(f Field) renamer {
	from, to := wordsOf(fieldTypes[f.Type]), wordsOf(f.Name)
	return renamer{strings.NewReplacer(from.snake(), to.snake(), from.pascal(), to.pascal())}
}

var (
	serviceName  = regexp.MustCompile(`^[a-z][a-z0-9]*([-_][a-z0-9]+)*$`)
	resourceName = serviceName
	fieldName    = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

const maxName = 40

// keywords are what nothing can be called in all of the languages, and names that
// their libraries are known by.
var keywords = wordSet(`
	self
	and as assert async await break case chan class const continue def default defer del delete do elif else enum except
	export extends fallthrough false finally for from func function global go goto if import in interface is lambda let
	map match new nil none nonlocal not null or package pass raise range return select static struct super switch this
	throw true try type typeof undefined var void while with yield
	error errors http json main net os string test time`)

// sqlWords are what no column and no table can be called, and the columns that
// every table has.
var sqlWords = wordSet(`
	id created_at updated_at
	all alter and any as asc between by case cast check collate column constraint create cross current_date current_time
	current_timestamp database default delete desc distinct do drop else end except exists false fetch for foreign from full grant
	group having in index inner insert int intersect into is join key keys leading left like limit match natural not null offset on
	or order outer primary range references rename replace right row rows select set some table then to trailing true union unique
	update user using values view when where window with`)

// fieldWords are what the types of a record have already, in some language.
var fieldWords = wordSet(`base construct copy dict fields metadata registry schema validate`)

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.FieldsFunc(text, unicode.IsSpace) {
		set[w] = true
	}
	return set
}
