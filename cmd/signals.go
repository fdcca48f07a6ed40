package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of a context that a signal ended. It prints
// nothing: whoever pressed Ctrl-C knows.
var errInterrupted = &exitError{code: exitInterrupted}

// untilSignalled returns a context that the first SIGINT, SIGTERM or SIGHUP
// ends; each later one calls again. A closed terminal is a SIGHUP, and a
// closed pipe on stdout an error of the write, not the end of the process.
func untilSignalled(ctx context.Context, again func()) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stops := make(chan os.Signal, 2)
	signal.Notify(stops, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stops:
				if n == 0 {
					cancel(errInterrupted)
				} else {
					again()
				}
			case <-quit:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(stops)
		close(quit)
		<-done
		cancel(nil)
	}
}
