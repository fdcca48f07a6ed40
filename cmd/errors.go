package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
)

// exitError carries an exit code, and a hint for the reader.
type exitError struct {
	code int
	err  error // nil when all has been said
	hint string
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Hint tells what to do.
func (e *exitError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return hint(e.err)
}

// ExitCode is what the process ends with.
func (e *exitError) ExitCode() int { return e.code }

// usagef is an error in how the command was called.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode picks the code for err.
func exitCode(err error) int {
	var e *exitError
	var far *control.Error
	var unknown *stack.UnknownError
	var answers *templates.AnswersError
	var noTemplate *templates.UnknownError
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &far) && far.Code != 0:
		return far.Code
	case errors.As(err, &unknown), errors.As(err, &answers), errors.As(err, &noTemplate):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// hint is the advice that err's chain carries, "" for none.
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// printError writes err and its hint; what is wrong with a stack file is
// written with its lines.
func printError(w io.Writer, err error) {
	var invalid stack.Errors
	if errors.As(err, &invalid) {
		invalid.Format(w)
		return
	}
	fmt.Fprintf(w, "error: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", h)
	}
}
