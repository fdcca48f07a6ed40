package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// build is one run of a service's set-up and build command.
type build struct {
	n    int  // counts those of the service
	done bool // it has succeeded
}

// bin names the program that it makes.
func (b build) bin(service string) string {
	if b.n == 0 {
		return service
	}
	return fmt.Sprintf("%s.%d", service, b.n)
}

// again is the same, to be run once more.
func (b build) again() build { return build{n: b.n} }

// build runs setup and build command of a service, once for all replicas that
// start together, and no more of them at a time than there are processors.
func (s *Supervisor) build(ctx context.Context, spec Spec, out io.Writer) error {
	for {
		result := s.builds.DoChan(spec.Service+" "+spec.Bin, func() (any, error) {
			select {
			case s.buildSlots <- struct{}{}:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			defer func() { <-s.buildSlots }()
			return nil, s.Runner.Build(ctx, spec, out)
		})
		r := <-result // it ends with the ctx of whoever began it, and that one waits, too
		if r.Shared && errors.Is(r.Err, context.Canceled) && ctx.Err() == nil {
			continue // the replica that built was stopped
		}
		if r.Err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		return r.Err
	}
}
