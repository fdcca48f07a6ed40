package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/proxy"
	"github.com/msctl/msctl/proxy/localca"
	"github.com/msctl/msctl/stack"
)

// problem is an error of a stack file, for programs.
type problem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"`
}

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "validate",
		Short:   "Check the stack file, and say all that is wrong with it",
		Long:    "Check the stack file, and say all that is wrong with it. The exit code is 3 when anything is.",
		Example: "  msctl validate\n  msctl validate --json",
		Args:    none,
		RunE:    func(*cobra.Command, []string) error { return a.validate(asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON list of what is wrong")
	return c
}

func (a *app) validate(asJSON bool) error {
	st, err := a.load()
	var wrong stack.Errors
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if err == nil {
		if wrong = wrongPair(st.Gateway.TLS); wrong != nil {
			err = &exitError{code: exitInvalid, err: wrong}
		}
	}
	if asJSON {
		problems := []problem{}
		for _, e := range wrong {
			problems = append(problems, problem{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Path, e.Text, e.Hint})
		}
		if err := a.printJSON(problems); err != nil {
			return err
		}
		if len(problems) > 0 {
			return &exitError{code: exitInvalid}
		}
		return nil
	}
	if err != nil {
		return err
	}
	a.warn(st)
	for _, c := range proxy.Conflicts(st) {
		a.note("%s: %s is never used: %s, at %s, takes all its requests", c.Pos, c.Route, c.By, c.ByPos)
	}
	fmt.Fprintf(a.err, "%s is valid: %d services\n", st.Files[0], len(st.Services))
	return nil
}

// wrongPair says what is wrong with the files of t, if that is so; that they
// are there has been checked.
func wrongPair(t *stack.TLS) stack.Errors {
	if t == nil || t.Cert == "" {
		return nil
	}
	if _, err := localca.Config(t.Cert, t.Key, nil, nil); err != nil {
		return stack.Errors{{Pos: t.Pos, Path: "gateway.tls", Text: err.Error()}}
	}
	return nil
}
