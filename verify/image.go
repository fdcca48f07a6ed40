package verify

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func (r *run) user(context.Context) Result {
	const hint = "give the last stage a USER, by number so that Kubernetes can see it: USER 10001:10001"
	if r.Dir == "" {
		return skip("needs a folder: name a service of the stack")
	}
	text, err := os.ReadFile(filepath.Join(r.Dir, "Dockerfile"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return skip("no Dockerfile")
	case err != nil:
		return fail("", "%v", err)
	}
	user := imageUser(string(text))
	name, _, _ := strings.Cut(user, ":")
	switch {
	case name == "":
		return fail(hint, "the last stage of the Dockerfile has no USER")
	case strings.Contains(name, "$"):
		return skip("USER %s is a variable", user)
	case name == "root", strings.Trim(name, "0") == "":
		return fail(hint, "the last stage of the Dockerfile has USER %s", user)
	}
	return pass("the last stage of the Dockerfile has USER %s", user)
}

// imageUser is the USER of a Dockerfile's last stage, or of the stage that it
// is based on; "" when there is none.
func imageUser(dockerfile string) string {
	user := ""
	stages := map[string]string{} // the users of those that have a name
	stage := ""
	for line := range strings.Lines(continued(dockerfile)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch strings.ToUpper(words[0]) {
		case "FROM":
			words = words[1:]
			for len(words) > 1 && strings.HasPrefix(words[0], "--") {
				words = words[1:]
			}
			user, stage = stages[strings.ToLower(words[0])], ""
			if len(words) == 3 && strings.EqualFold(words[1], "AS") {
				stage = strings.ToLower(words[2])
			}
		case "USER":
			user = words[1]
		}
		if stage != "" {
			stages[stage] = user
		}
	}
	return user
}

// continued joins the lines that end with a backslash to those after them.
// Comments between them are left out.
func continued(dockerfile string) string {
	var b strings.Builder
	for line := range strings.Lines(dockerfile) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		if part, ok := strings.CutSuffix(line, `\`); ok {
			b.WriteString(part + " ")
			continue
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
