package calls

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// Values are keys or a query: numbers, texts and truths, pointers to them, and lists of them.
type Values map[string]any

// target is the path with its keys and the query.
func target(r Request) (string, error) {
	var pairs []string
	for name := range r.Keys {
		text := strings.Join(r.Keys.texts(name), ",")
		if text == "" || text == "." || text == ".." {
			return "", fmt.Errorf("with %q as %s, it would be another path", text, name)
		}
		pairs = append(pairs, "{"+name+"}", url.PathEscape(text))
	}
	path := strings.NewReplacer(pairs...).Replace(r.Path)
	query := url.Values{}
	for name := range r.Query {
		if texts := r.Query.texts(name); len(texts) > 0 {
			query[name] = texts
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, nil
}

// texts are a value as it is sent; there is none of nil.
func (v Values) texts(name string) []string {
	value := reflect.ValueOf(v[name])
	for value.Kind() == reflect.Pointer || value.Kind() == reflect.Interface {
		value = value.Elem()
	}
	switch value.Kind() {
	case reflect.Invalid:
		return nil
	case reflect.Slice:
		var texts []string
		for n := range value.Len() {
			texts = append(texts, fmt.Sprint(value.Index(n)))
		}
		return texts
	}
	return []string{fmt.Sprint(value)}
}
