package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/runtime/process"
	"github.com/msctl/msctl/stack"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	Hint  string `json:"hint,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what the stack needs of this machine",
		Long: `Check what the stack needs of this machine: the stack file, the programs that
its commands name, the ports it asks for, and the folder that msctl writes to.
The exit code is 1 when something is missing.`,
		Example: "  msctl doctor\n  msctl doctor --json",
		Args:    none,
		RunE:    func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return c
}

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	findings := []finding{{Check: "msctl", OK: true, Found: fmt.Sprintf("%s on %s/%s", version(), goruntime.GOOS, goruntime.GOARCH)}}
	st, err := a.load()
	if err != nil {
		findings = append(findings, finding{"stack file", false, firstLine(err.Error()), "msctl validate says all that is wrong"})
	} else {
		findings = append(findings, finding{Check: "stack file", OK: true, Found: st.Files[0]})
		findings = append(findings, toolchains(st)...)
		findings = append(findings, takenPorts(ctx, st)...)
		findings = append(findings, stateWritable(st))
		findings = append(findings, resolverHelp(ctx, st)...)
	}
	bad := 0
	for _, f := range findings {
		if !f.OK {
			bad++
		}
	}
	if asJSON {
		if err := a.printJSON(findings); err != nil {
			return err
		}
	} else {
		a.printFindings(findings)
	}
	if bad > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (a *app) printFindings(findings []finding) {
	for _, f := range findings {
		mark := "ok  "
		if !f.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(a.out, "%s  %s: %s\n", mark, f.Check, f.Found)
		if f.Hint != "" {
			fmt.Fprintf(a.out, "      hint: %s\n", f.Hint)
		}
	}
}

// toolchains looks for the programs that the stack's commands name.
func toolchains(st *stack.Stack) []finding {
	var out []finding
	seen := map[string]bool{}
	for _, s := range st.Services {
		env := append(environ(), runtime.Environment(st, &s, environ(), nil, s.Name+"-1", s.Port, nowhere.edge)...)
		for key, c := range map[string]stack.Command{"setup": s.Setup, "build_command": s.BuildCommand, "command": s.Command} {
			if c.IsZero() || key == "command" && usesBin(c) {
				continue // built before it is started
			}
			path, err := process.Find(c, s.Dir, env)
			f := finding{Check: s.Name + "." + key, OK: err == nil, Found: path}
			if err != nil {
				f.Found, f.Hint = err.Error(), hint(err)
			}
			if !seen[f.Found] || !f.OK {
				seen[f.Found] = true
				out = append(out, f)
			}
		}
	}
	return out
}

func usesBin(c stack.Command) bool {
	return strings.Contains(c.Line+strings.Join(c.Args, " "), "$BIN") || strings.Contains(c.Line, "${BIN}")
}

// takenPorts finds the fixed ports that somebody else holds; those of the
// stack itself are its own.
func takenPorts(ctx context.Context, st *stack.Stack) []finding {
	if _, err := control.Dial(st.Dir); err == nil {
		return []finding{{Check: "ports", OK: true, Found: "the stack runs, and has them"}}
	}
	var out []finding
	look := func(check string, addr string) {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		if err == nil {
			_ = l.Close()
			out = append(out, finding{Check: check, OK: true, Found: addr + " is free"})
			return
		}
		f := finding{Check: check, Found: err.Error(), Hint: "stop what holds it, or change " + check}
		_, text, _ := net.SplitHostPort(addr)
		if port, convErr := strconv.Atoi(text); convErr == nil {
			if h, holderErr := ports.FindHolder(port); holderErr == nil {
				f.Found = addr + " is held by " + h.String()
			}
		}
		out = append(out, f)
	}
	if st.Gateway.Listen != "" {
		look("gateway.listen", st.Gateway.Listen)
	}
	for _, s := range st.Services {
		if s.Port != 0 {
			look("services."+s.Name+".port", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
		}
	}
	return out
}

// stateWritable tries to write where msctl keeps its state.
func stateWritable(st *stack.Stack) finding {
	f := finding{Check: "state folder", Found: stateDir(st.Dir)}
	at := f.Found
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		at = st.Dir
	}
	probe, err := os.CreateTemp(at, ".msctl-doctor-")
	if err != nil {
		f.Found, f.Hint = err.Error(), "msctl writes its socket and logs to "+filepath.Base(f.Found)+" beside the stack file"
		return f
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		f.Found = err.Error()
		return f
	}
	f.OK = true
	return f
}
