package cmd

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/runtime"
	"github.com/msctl/msctl/stack"
)

// environ is the environment that commands load stack files with and that
// processes get.
func environ() []string { return os.Environ() }

// note tells the user something, beside the data.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.err, "msctl: "+format+"\n", args...)
}

func (a *app) printSteps(steps []runtime.Step) {
	a.printControlSteps(controlSteps(steps))
}

// printControlSteps writes steps in columns, to stderr: they are news, not data.
func (a *app) printControlSteps(steps []control.Step) {
	if len(steps) == 0 {
		fmt.Fprintln(a.err, "nothing to do")
		return
	}
	w := tabwriter.NewWriter(a.err, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		after := ""
		for n, id := range s.After {
			if n == 0 {
				after = ", after "
			} else {
				after += ", "
			}
			after += id
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", s.Action, s.Instance, s.Cause, after)
	}
	_ = w.Flush()
}

// printWhere says where to look: the first thing that a user wants to know.
func (a *app) printWhere(s control.Status, st *stack.Stack) {
	head := s.Stack
	if s.URL != "" {
		head += "  " + s.URL
	}
	fmt.Fprintln(a.err, head)
	w := tabwriter.NewWriter(a.err, 0, 0, 2, ' ', 0)
	for _, sv := range s.Services {
		for _, u := range sv.URLs {
			fmt.Fprintf(w, "  %s\t%s\n", sv.Name, u)
		}
	}
	if s.Admin != "" {
		fmt.Fprintf(w, "  (gateway)\t%s\n", s.Admin)
	}
	if s.Registry != "" {
		fmt.Fprintf(w, "  (registry)\t%s\n", s.Registry)
	}
	if s.DNS != "" {
		fmt.Fprintf(w, "  (dns)\t%s\n", s.DNS)
	}
	_ = w.Flush()
	for _, n := range s.Notes {
		a.note("%s", n)
	}
	if untrusted(st.Gateway.TLS) {
		a.note("this machine does not trust the gateway's certificates yet: msctl trust, or curl --cacert \"$(msctl trust --path)\"")
	}
}
