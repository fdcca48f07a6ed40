package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// exitError carries an exit code, and a hint for the reader.
type exitError struct {
	code int
	err  error
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
func (e *exitError) Hint() string { return e.hint }

// usagef is an error in how the command was called.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode picks the code for err: the outermost exitError's, else 1.
func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	return exitFailed
}

// printError writes err and the hints that its chain carries.
func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "error: %v\n", err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		if h, ok := e.(interface{ Hint() string }); ok && h.Hint() != "" { //nolint:errorlint // the chain is walked by hand: every hint is wanted
			fmt.Fprintf(w, "hint: %s\n", h.Hint())
		}
	}
}
