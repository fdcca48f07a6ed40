package stack

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	procLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(\S.*)$`)
	notName  = regexp.MustCompile(`[^a-z0-9_-]+`)
)

// ImportProcfile makes a stack file of a Procfile: each line's process is a
// service. web is what the gateway serves at /, and release a job that the others
// wait for, as on Heroku.
func ImportProcfile(file string, data []byte) ([]byte, error) {
	services := newTree()
	names := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := procLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%s:%d: want name: command, got %q", file, n, line)
		}
		name := strings.ToLower(m[1])
		if names[name] {
			return nil, fmt.Errorf("%s:%d: %s is there already", file, n, name)
		}
		names[name] = true
		entry := newTree()
		entry.add("command", textNode(m[2]))
		switch name {
		case "web":
			entry.add("route", textNode("/"))
		case "release":
			entry.add("kind", textNode(string(KindJob)))
		}
		services.add(name, entry.Node)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: it has no processes", file)
	}
	if names["release"] {
		afterRelease(services)
	}
	return encodeServices(services)
}

// afterRelease has all but the job wait for it.
func afterRelease(services tree) {
	for i := 0; i < len(services.Content); i += 2 {
		if services.Content[i].Value == "release" {
			continue
		}
		how, on := newTree(), newTree()
		how.add("condition", textNode(string(Completed)))
		on.add("release", how.Node)
		tree{services.Content[i+1]}.add("depends_on", on.Node)
	}
}

func encodeServices(services tree) ([]byte, error) {
	file := newTree()
	file.add("services", services.Node)
	return encode(file.Node)
}

// Found is a service that a folder seems to have.
type Found struct {
	Name, Dir                    string // of the service; Dir is "." for the folder itself
	Setup, BuildCommand, Command string
	Why                          string // what it was told by
}

// ImportFound makes a stack file of services that were found.
func ImportFound(found []Found) ([]byte, error) {
	services := newTree()
	for _, f := range found {
		name := strings.Trim(notName.ReplaceAllString(strings.ToLower(f.Name), "-"), "-")
		entry := newTree()
		for _, kv := range [][2]string{{"dir", f.Dir}, {"setup", f.Setup}, {"build_command", f.BuildCommand}, {"command", f.Command}} {
			if kv[1] != "" && kv[1] != "." {
				entry.add(kv[0], textNode(kv[1]))
			}
		}
		entry.add("route", textNode("/"+name))
		services.add(name, entry.Node)
	}
	return encodeServices(services)
}
