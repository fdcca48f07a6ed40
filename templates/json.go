package templates

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// object is a JSON object that keeps its order.
type object struct {
	keys   []string
	values map[string]any // *object or json.RawMessage
}

func parseObject(data []byte) (*object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("want a JSON object")
	}
	o := &object{values: map[string]any{}}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string) // a key is nothing else
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, err
		}
		var value any = raw
		if len(raw) > 0 && raw[0] == '{' {
			if value, err = parseObject(raw); err != nil {
				return nil, err
			}
		}
		o.set(key, value)
	}
	_, err := d.Token()
	return o, err
}

func (o *object) set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

func (o *object) remove(key string) {
	delete(o.values, key)
	o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
}

// object is the object at key, an empty one if there is none.
func (o *object) object(key string) *object {
	in, ok := o.values[key].(*object)
	if !ok {
		return &object{}
	}
	return in
}

// removePath removes what a path of keys leads to, and the objects that are empty then.
func (o *object) removePath(keys []string) {
	if len(keys) == 1 {
		o.remove(keys[0])
		return
	}
	in, ok := o.values[keys[0]].(*object)
	if !ok {
		return
	}
	in.removePath(keys[1:])
	if len(in.keys) == 0 {
		o.remove(keys[0])
	}
}

func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for n, k := range o.keys {
		if n > 0 {
			b.WriteByte(',')
		}
		if err := encode(&b, k); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, o.values[k]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes v as npm does: without escapes for HTML.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	if err == nil {
		b.Truncate(b.Len() - 1) // the newline
	}
	return err
}

// text is o in the form of npm: two spaces, a newline at the end.
func (o *object) text() ([]byte, error) {
	compact, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// keyPath splits dependencies.pg; \. is a dot within a key.
func keyPath(key string) []string {
	const dot = "\x00"
	keys := strings.Split(strings.ReplaceAll(key, `\.`, dot), ".")
	for n := range keys {
		keys[n] = strings.ReplaceAll(keys[n], dot, ".")
	}
	return keys
}

func withoutKeys(data []byte, keys []string) ([]byte, error) {
	o, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		o.removePath(keyPath(k))
	}
	return o.text()
}

// dependencies are the keys of a package's entry in a lock that name others.
var dependencies = []string{"dependencies", "devDependencies", "optionalDependencies", "peerDependencies"}

// pruneLock removes keys from the root of a package-lock.json (lockfileVersion
// 3), and then every package that nothing needs any more.
func pruneLock(data []byte, keys []string) ([]byte, error) {
	if len(keys) == 0 {
		return data, nil
	}
	lock, err := parseObject(data)
	if err != nil {
		return nil, err
	}
	packages := lock.object("packages")
	root := packages.object("")
	for _, k := range keys {
		root.removePath(keyPath(k))
	}
	needed := map[string]bool{"": true}
	for todo := []string{""}; len(todo) > 0; todo = todo[1:] {
		entry := packages.object(todo[0])
		for _, kind := range dependencies {
			if kind == "devDependencies" && todo[0] != "" {
				continue
			}
			for _, name := range entry.object(kind).keys {
				if at, ok := resolve(packages, todo[0], name); ok && !needed[at] {
					needed[at] = true
					todo = append(todo, at)
				}
			}
		}
	}
	for _, at := range slices.Collect(maps.Keys(packages.values)) {
		if !needed[at] {
			packages.remove(at)
		}
	}
	return lock.text()
}

// resolve finds a package as Node does: in the node_modules of who asks, and of
// the folders above.
func resolve(packages *object, from, name string) (string, bool) {
	for at := from; ; {
		found := path.Join(at, "node_modules", name)
		if _, ok := packages.values[found]; ok {
			return found, true
		}
		if at == "" {
			return "", false
		}
		above, _, ok := cutLast(at, "/node_modules/")
		if !ok {
			above = ""
		}
		at = above
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if n := strings.LastIndex(s, sep); n >= 0 {
		return s[:n], s[n+len(sep):], true
	}
	return s, "", false
}
