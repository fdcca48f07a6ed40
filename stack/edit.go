package stack

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// AddOptions say how services are put into a stack file. Route and DependsOn are
// of the main one of them: the first that has a route, or else the first.
type AddOptions struct {
	Dir       string   // where the services' folders are, relative to the stack file
	Route     string   // in place of the one that it has; "" leaves it, NoRoute removes it
	DependsOn []string // beside those that it has
}

// NoRoute is the Route of what the gateway is not to serve.
const NoRoute = "none"

// templateFile names the text that services are taken from, in errors.
const templateFile = "the template's " + FileName

// AddServices returns file, the text of a stack file, with the services of
// another one, from, after its own. All else stays as it is, to the byte:
// comments, blank lines, ends of lines. What is added comes with its own comments,
// and is indented as file is. Where that cannot be done the error, Errors, says
// why; what is returned always reads as file's services and the new ones.
func AddServices(file, from []byte, o AddOptions) ([]byte, error) {
	source, err := prepare(from, o)
	if err != nil {
		return nil, err
	}
	to, err := newSheet(FileName, file)
	if err != nil {
		return nil, err
	}
	key, services := pair(to.root, "services")
	switch {
	case to.root != nil && to.root.Style&yaml.FlowStyle != 0:
		return nil, to.refuse(to.root, "", "write each key on a line of its own, without braces", "want keys beneath each other to add services, got braces")
	case services != nil && services.Kind == yaml.AliasNode:
		return nil, to.refuse(services, "services", "write the services in the alias's place", "want services to add to, got an alias")
	case services != nil && services.Style&yaml.FlowStyle != 0 && len(services.Content) > 0:
		return nil, to.refuse(services, "services", "write each service beneath services:, without braces around them", "want services beneath each other to add one, got braces")
	}
	_, added := pair(source.root, "services")
	for i := 0; i < len(added.Content); i += 2 {
		name := added.Content[i].Value
		if k, _ := pair(services, name); k != nil {
			return nil, to.refuse(k, join("services", name), "choose another name, or remove this one first", "the service %s is there already", quote(name))
		}
	}

	want := to.tree.with(source.tree.get("services"))
	for _, scaled := range []bool{true, false} { // scaling breaks what depends on exact blanks, as scripts do
		out := to.clone()
		out.put(key, services, source.block(to.layout(services), scaled))
		if got, err := newSheet(FileName, out.bytes()); err == nil && same(got.tree, want) {
			return out.bytes(), nil
		}
	}
	at := key
	if at == nil {
		at = to.root
	}
	return nil, to.refuse(at, "services", "add the services by hand", "want services that can be added to, got a form that is not understood here")
}

// DependOn returns file, the text of a stack file, with services that service
// depends on added to those it has; all else stays as it is.
func DependOn(file []byte, service string, on ...string) ([]byte, error) {
	s, err := newSheet(FileName, file)
	if err != nil {
		return nil, err
	}
	return s.dependOn(service, on)
}

// prepare makes a template's stack file what o asks for.
func prepare(from []byte, o AddOptions) (*sheet, error) {
	s, err := newSheet(templateFile, bytes.ReplaceAll(from, []byte("\r\n"), []byte("\n")))
	if err != nil {
		return nil, err
	}
	_, services := pair(s.root, "services")
	if !isBlock(services) {
		return nil, s.refuse(s.root, "services", "", "want services beneath each other, got none")
	}
	main := services.Content[0].Value
	for i := len(services.Content) - 2; i >= 0; i -= 2 {
		key, entry := services.Content[i], services.Content[i+1]
		if !isBlock(entry) {
			return nil, s.refuse(key, join("services", key.Value), "", "want keys beneath the service's name, got another form")
		}
		if k, _ := pair(entry, "route"); k != nil {
			main = key.Value
		}
	}
	for i := 0; i < len(services.Content) && o.Dir != ""; i += 2 {
		if s, err = s.moved(services.Content[i].Value, o.Dir); err != nil {
			return nil, err
		}
	}
	if o.Route != "" {
		if s, err = s.routed(main, o.Route); err != nil {
			return nil, err
		}
	}
	data, err := s.dependOn(main, o.DependsOn)
	if err != nil {
		return nil, err
	}
	return newSheet(templateFile, data)
}

// moved sets the folder of a service, or puts dir before the one it has.
func (s *sheet) moved(service, dir string) (*sheet, error) {
	name, entry := s.service(service)
	switch _, was := pair(entry, "dir"); {
	case was == nil:
		s.insert(name.Line, indent(entry.Content[0])+"dir: "+scalar(dir))
	case path.IsAbs(was.Value):
	case !s.rewrite(was, scalar(path.Join(dir, was.Value))):
		return nil, s.refuse(was, join("services", service)+".dir", "", "want a folder on one line, got another form")
	}
	return newSheet(s.file, s.bytes())
}

// routed sets the route of a service, or removes it.
func (s *sheet) routed(service, route string) (*sheet, error) {
	name, entry := s.service(service)
	key, was := pair(entry, "route")
	line := indent(entry.Content[0]) + "route: " + scalar(route)
	switch {
	case key == nil && route == NoRoute:
	case key == nil:
		s.insert(s.end(name, entry), line)
	case route == NoRoute:
		s.lines = slices.Delete(s.lines, key.Line-1, s.end(key, was))
	case !s.rewrite(was, scalar(route)):
		end := s.end(key, was)
		s.insert(end, line)
		s.lines = slices.Delete(s.lines, key.Line-1, end)
	}
	return newSheet(s.file, s.bytes())
}

func (s *sheet) dependOn(service string, on []string) ([]byte, error) {
	where := join("services", service)
	name, entry := s.service(service)
	if entry == nil {
		return nil, s.refuse(s.root, where, "", "there is no service %s in this file", quote(service))
	}
	value := s.tree.get("services").get(service)
	was := value.get("depends_on").names()
	var add []string
	for _, n := range on {
		if !slices.Contains(was, n) && !slices.Contains(add, n) {
			add = append(add, n)
		}
	}
	if len(add) == 0 {
		return s.bytes(), nil
	}
	out := s.clone()
	if value != nil && out.depend(name, entry, add) {
		if got, err := newSheet(s.file, out.bytes()); err == nil {
			after := got.tree.get("services").get(service).get("depends_on")
			value.set("depends_on", after)
			if sameNames(after.names(), slices.Concat(was, add)) && same(got.tree, s.tree) {
				return out.bytes(), nil
			}
		}
	}
	return nil, s.refuse(name, where+".depends_on", "add "+strings.Join(add, ", ")+" by hand", "want a list or a mapping that can be added to, got a form that is not understood here")
}

// depend writes names into the depends_on of a service; false when it cannot.
func (s *sheet) depend(name, entry *yaml.Node, names []string) bool {
	const started = ": {condition: " + string(Started) + "}"
	list := "[" + strings.Join(names, ", ") + "]"
	key, was := pair(entry, "depends_on")
	switch {
	case key == nil && isBlock(entry):
		s.insert(s.end(name, entry), indent(entry.Content[0])+"depends_on: "+list)
	case key == nil:
		return s.open(entry, '{', "depends_on: "+list)
	case isNull(was) && was.Value == "" && isBlock(entry):
		s.insert(key.Line, prefixed(indent(key)+"  - ", names, "")...)
	case isNull(was):
		return s.rewrite(was, list)
	case was.Kind == yaml.SequenceNode && was.Style&yaml.FlowStyle == 0:
		last := was.Content[len(was.Content)-1]
		line := s.lines[last.Line-1]
		s.insert(last.Line, prefixed(line[:offset(line, last.Column)], names, "")...)
	case was.Kind == yaml.SequenceNode && len(was.Content) > 0:
		last := was.Content[len(was.Content)-1]
		from, to, ok := s.span(last)
		return ok && s.rewrite(last, s.lines[last.Line-1][from:to]+", "+strings.Join(names, ", "))
	case was.Kind == yaml.SequenceNode:
		return s.open(was, '[', strings.Join(names, ", "))
	case isBlock(was):
		s.insert(s.end(key, was), prefixed(indent(was.Content[0]), names, started)...)
	case was.Kind == yaml.MappingNode:
		return s.open(was, '{', strings.Join(prefixed("", names, started), ", "))
	default:
		return false
	}
	return true
}

func prefixed(before string, names []string, after string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = before + n + after
	}
	return out
}
