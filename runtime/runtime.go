// Package runtime runs a stack: it decides which instances there should be,
// and keeps each of them in the state that was asked for.
//
// The Supervisor holds the target. Whenever it changes, plan compares it with
// what runs and returns steps, which are data; executing them starts and stops
// instances without deciding anything. Each instance is one goroutine that
// waits for its dependencies, builds, runs, probes, and restarts by policy,
// and says in the registry where it is. What runs an instance is a Runner.
package runtime

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/msctl/msctl/stack"
)

// Spec is all that a Runner needs to know of one instance.
type Spec struct {
	ID           string // "catalog-1"
	Service      string
	Dir          string
	Command      stack.Command
	Setup        stack.Command
	BuildCommand stack.Command
	Env          []string
	Port         int
	Grace        time.Duration // between the stop signal and SIGKILL
	StopSignal   string
	Limits       stack.Limits

	// Bin names where the build puts its program: one name for each build, so
	// that what runs is not written over.
	Bin string
	// Socket is a listening socket that the instance gets as its descriptor 3,
	// as systemd passes them (sd_listen_fds(3)); nil for none.
	Socket *os.File

	// Kill, when closed, ends the wait of a stop: SIGKILL at once.
	Kill <-chan struct{}
	// OnStart is called once the instance exists, with its pid (0 when it has none).
	OnStart func(pid int)
	// OnExit is called the moment the instance's own process has ended, before
	// Run has seen to its descendants.
	OnExit func(err error)
}

// Runner runs instances: as processes, or as containers. Output goes to out
// as it comes, from one goroutine at a time.
type Runner interface {
	// Build runs setup, when what it reads has changed, and the build command.
	Build(ctx context.Context, s Spec, out io.Writer) error
	// Run blocks until the instance and every descendant is gone; cancelling
	// ctx stops it gracefully within s.Grace. It returns nil for exit code 0
	// and an *ExitError for any other end; other errors mean that it never
	// started.
	Run(ctx context.Context, s Spec, out io.Writer) error
	// Signal sends a signal such as SIGHUP to the process that OnStart named.
	Signal(pid int, name string) error
	// Exec runs a command beside the instance, in its environment.
	Exec(ctx context.Context, s Spec, c stack.Command, out io.Writer) error
}

// Gateway is what the supervisor needs of the gateway.
type Gateway interface {
	// Configure makes routes and edges those of s, and returns when they listen.
	Configure(ctx context.Context, s *stack.Stack) error
	// Edge is the address at which caller reaches callee.
	Edge(caller, callee string) (string, bool)
	// Drain lets what is in flight at an instance's address finish. When ctx
	// ends before that, what is left is closed the way its protocol closes,
	// and the error is ctx's.
	Drain(ctx context.Context, addr string) error
}

// ExitError is the end of an instance other than exit code 0.
type ExitError struct {
	Code   int    // -1 when a signal ended it
	Signal string // "SIGKILL"
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return "killed by " + e.Signal
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// BuildError is a setup or build command that failed.
type BuildError struct {
	Step string // "setup", "build_command"
	Err  error
}

func (e *BuildError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *BuildError) Unwrap() error { return e.Err }
