package main

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")
	makeTarget = regexp.MustCompile(`(?m)^([a-z]+):`)
	machine    = regexp.MustCompile(`(?m)(?:^|[\s"'` + "`" + `=:,(\[])/(?:work|root)\b`)
	address    = regexp.MustCompile(`https?://[^\s,|'"]+`)
)

// TestReadmeIsRun holds the README to what the scripts run: every subcommand
// that it shows is one that a script executes, every make target exists.
func TestReadmeIsRun(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts, targets := scripted(t), targets(t)
	for _, block := range shellBlock.FindAllSubmatch(readme, -1) {
		for line := range strings.Lines(string(block[1])) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			words := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "msctl "):
				words = words[1:]
			case strings.HasPrefix(line, "go run . "):
				words = words[3:]
			case strings.HasPrefix(line, "make "):
				for _, target := range words[1:] {
					if !strings.Contains(target, "=") && !slices.Contains(targets, target) {
						t.Errorf("README.md: %q: the Makefile has no target %s", line, target)
					}
				}
				continue
			default:
				continue
			}
			if sub := subcommand(words); sub != "" && !scripts[sub] {
				t.Errorf("README.md: %q: no script in cmd/testdata/script has \"exec msctl %s\"", line, sub)
			}
		}
	}
}

// scripted returns the subcommands that the test scripts execute.
func scripted(t *testing.T) map[string]bool {
	t.Helper()
	subs := map[string]bool{}
	files, err := filepath.Glob("cmd/testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(script)) {
			command, _, _ := strings.Cut(line, "#")
			if _, args, ok := strings.Cut(command, "exec msctl "); ok {
				subs[subcommand(strings.Fields(args))] = true
			}
		}
	}
	return subs
}

func targets(t *testing.T) []string {
	t.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range makeTarget.FindAllSubmatch(makefile, -1) {
		names = append(names, string(m[1]))
	}
	return names
}

// subcommand is the first word that is no flag, nor the value of a global one.
func subcommand(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains([]string{"-C", "--dir", "-f", "--file"}, args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// TestTextNamesNoMachine looks in every tracked text file for what is true on
// one machine only: a checkout's or a user's path, a package registry's host.
func TestTextNamesNoMachine(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z").Output()
	if err != nil && os.Getenv("MSCTL_TEST_REQUIRE") == "" {
		t.Skipf("not a git checkout: %v", err)
	} else if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	hosts := registryHosts(t)
	for file := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
			continue // deleted and not yet committed, or a link
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if bytes.ContainsRune(text, 0) {
			continue
		}
		if at := machine.FindIndex(text); at != nil {
			t.Errorf("%s:%d: names a path of one machine", file, lineOf(text, at[0]))
		}
		for _, host := range hosts {
			if at := bytes.Index(text, []byte(host)); at >= 0 {
				t.Errorf("%s:%d: names the package registry %s, which elsewhere is another", file, lineOf(text, at), host)
			}
		}
	}
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// registryHosts asks the package tools that are here for their registries. One
// that is not here, or does not answer, cannot have written its host anywhere.
func registryHosts(t *testing.T) []string {
	t.Helper()
	var hosts []string
	for _, ask := range [][]string{
		{"go", "env", "GOPROXY"},
		{"npm", "config", "get", "registry"},
		{"pip", "config", "list"},
	} {
		answer, _ := exec.CommandContext(t.Context(), ask[0], ask[1:]...).Output()
		for _, a := range address.FindAllString(string(answer), -1) {
			u, err := url.Parse(a)
			if err != nil || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
				continue // a mirror on this machine has an address that means nothing
			}
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}
