package runtime

import (
	"cmp"
	"context"
	"errors"
	goruntime "runtime"
	"slices"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/msctl/msctl/logs"
	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// Options are what a Supervisor works with. All are needed but Environ.
type Options struct {
	Registry *registry.Registry
	Logs     *logs.Store
	Gateway  Gateway
	Runner   Runner
	Ports    *ports.Leases
	Environ  []string          // what every process gets beneath its own environment
	Offers   map[string]string // variables of what the stack itself has for all of them
}

// Supervisor keeps the instances of a stack as they were asked for. Its
// methods may be called from any goroutine while Run runs; each returns the
// steps that it has begun, not when they are done: that is seen in the registry.
type Supervisor struct {
	Options

	commands chan func()
	ended    chan struct{}
	kill     chan struct{}
	killOnce sync.Once

	// Owned by Run's goroutine.
	target   target
	running  map[string]*instance   // that have their replica's place, by its ID
	beside   map[*instance]struct{} // that stand by for it, or were replaced
	rollouts map[string]*rollout    // by service: the last one
	built    map[string]build       // by service: the last one that succeeded
	loops    map[string]loops       // by service
	sockets  sockets

	goroutines sync.WaitGroup

	rounds *rounds

	builds     singleflight.Group
	buildSlots chan struct{}
}

// New returns a Supervisor of nothing.
func New(o Options) *Supervisor {
	return &Supervisor{
		Options:    o,
		commands:   make(chan func()),
		ended:      make(chan struct{}),
		kill:       make(chan struct{}),
		running:    map[string]*instance{},
		beside:     map[*instance]struct{}{},
		rollouts:   map[string]*rollout{},
		built:      map[string]build{},
		loops:      map[string]loops{},
		sockets:    sockets{},
		rounds:     newRounds(),
		buildSlots: make(chan struct{}, max(2, goruntime.NumCPU())),
	}
}

// Run supervises until ctx is done, then stops all instances, dependents
// first, and returns when every one of them is gone.
func (s *Supervisor) Run(ctx context.Context) error {
	defer close(s.ended)
	looking, rest := context.WithCancel(context.WithoutCancel(ctx))
	var rounds sync.WaitGroup
	rounds.Go(func() { s.rounds.run(looking) })
	defer rounds.Wait()
	defer rest()
	for {
		select {
		case f := <-s.commands:
			f()
		case <-ctx.Done():
			for _, r := range s.rollouts {
				r.cancel()
			}
			for _, st := range plan(nil, s.existing()) {
				s.halt(st, true)
			}
			for i := range s.beside {
				i.stop(true, true)
			}
			s.goroutines.Wait()
			s.sockets.closeAll()
			return nil
		}
	}
}

// Kill ends all waiting for graceful stops, now and later: SIGKILL at once.
func (s *Supervisor) Kill() { s.killOnce.Do(func() { close(s.kill) }) }

// errEnded is the answer to a command that comes too late.
var errEnded = errors.New("the stack is shutting down")

// do runs f on Run's goroutine, so that commands follow each other whole.
func (s *Supervisor) do(ctx context.Context, f func() ([]Step, error)) (steps []Step, err error) {
	done := make(chan struct{})
	run := func() {
		defer close(done)
		steps, err = f()
	}
	select {
	case s.commands <- run:
		<-done
		return steps, err
	case <-s.ended:
		return nil, errEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t target) service(name string) (*stack.Service, bool) {
	if t.stack == nil {
		return nil, false
	}
	return t.stack.Service(name)
}

// Environment is what an instance gets beside the system's variables, and the
// folder that it runs in. A service's name stands for its first instance.
func (s *Supervisor) Environment(ctx context.Context, name string) (env []string, dir string, err error) {
	_, err = s.do(ctx, func() ([]Step, error) {
		id, service := name+"-1", name
		if i, ok := s.running[name]; ok {
			id, service = name, i.want.Service.Name
		}
		sv, ok := s.target.service(service)
		if !ok {
			return nil, s.target.check(name)
		}
		port := sv.Port
		if i, ok := s.running[id]; ok {
			port = i.spec.Port
		}
		env, dir = s.environment(sv, id, port), sv.Dir
		return nil, nil
	})
	return env, dir, err
}

// reconcile plans from what runs to t, and begins the steps.
func (s *Supervisor) reconcile(t target) ([]Step, error) {
	want := t.instances()
	steps := plan(want, s.existing())
	if err := s.checkFixedPorts(steps); err != nil {
		return nil, err
	}
	given, err := s.leasePorts(t, steps)
	if err != nil {
		return nil, err
	}
	t.anew, t.retry = nil, false
	s.target = t
	swaps := map[string][]wanted{}
	cut := s.cutShort(steps)
	for _, st := range steps {
		if st.Action == Swap {
			name := st.want.Service.Name
			swaps[name] = append(swaps[name], st.want)
			continue
		}
		s.execute(st, given)
	}
	for name, wants := range cut {
		if wants = s.unfinished(wants, steps); swaps[name] == nil && len(wants) > 0 {
			swaps[name] = wants
		}
	}
	for _, wants := range swaps {
		s.roll(wants, 0)
	}
	for _, i := range s.running {
		if sv, ok := s.target.service(i.want.Service.Name); ok {
			i.describe(sv)
		}
	}
	return steps, nil
}

func (s *Supervisor) execute(st Step, given map[string]int) {
	if old, ok := s.running[st.Instance]; ok {
		s.supersede(old.want.Service.Name)
	}
	switch st.Action {
	case Stop, Remove:
		s.halt(st, false)
	case Start, Replace:
		i := s.instance(st.want, s.built[st.want.Service.Name].again(), given[st.Instance])
		i.slot = s.slotFor(st)
		old := s.running[st.Instance]
		if old != nil {
			s.halt(st, false)
		}
		s.launch(i, old)
	}
}

// instance makes one that nothing runs of yet.
func (s *Supervisor) instance(w wanted, b build, port int) *instance {
	i := &instance{
		sup:       s,
		want:      w,
		told:      w.Service,
		build:     b,
		await:     s.target.awaited(w.Service),
		elsewhere: s.target.elsewhere(),
		probe:     probeFor(w.Service, s.target.listens(w.Service)),
		spec:      s.spec(w.Service, w.ID, port),
		drain:     w.Service.StopGracePeriod,
		done:      make(chan struct{}),
	}
	i.spec.Bin = b.bin(w.Service.Name)
	if hands(w.Service) && w.Address == "" {
		i.spec.Socket, i.unable = s.sockets.at(w.ID, port)
	}
	i.patience, i.hurry = context.WithCancel(context.Background())
	return i
}

// launch begins an instance; it waits for old, which has its name, to end.
func (s *Supervisor) launch(i *instance, old *instance) {
	if i.spec.Socket == nil {
		s.sockets.close(i.want.ID) // whoever connects to it would wait in vain
	}
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.Background())
	var prev <-chan struct{}
	if old != nil {
		prev = old.done
	} else {
		i.enter() // at once, so that dependents started next see that it is there
	}
	s.running[i.want.ID] = i
	s.goroutines.Go(func() { i.run(ctx, prev) })
}

// halt begins the end of an instance, after those that its step names.
func (s *Supervisor) halt(st Step, shutdown bool) {
	i := s.running[st.Instance]
	if st.Action == Replace {
		i.replace()
	} else {
		i.stop(st.Action == Remove, shutdown)
	}
	var after []<-chan struct{}
	for _, id := range st.After {
		if other, ok := s.running[id]; ok {
			after = append(after, other.done)
		}
	}
	if len(after) == 0 {
		i.cancel()
		return
	}
	s.goroutines.Go(func() {
		for _, done := range after {
			<-done
		}
		i.cancel()
	})
}

// existing describes what runs, and forgets what has left the table.
func (s *Supervisor) existing() []existing {
	var have []existing
	for id, i := range s.running {
		e, gone := i.existing()
		if gone {
			delete(s.running, id)
			s.sockets.close(id)
			continue
		}
		if w, ok := s.rollouts[e.Service.Name].becoming(id); ok {
			e.Service, e.DotEnv = w.Service, w.DotEnv
		}
		have = append(have, e)
	}
	for i := range s.beside {
		if _, gone := i.existing(); gone {
			delete(s.beside, i)
		}
	}
	slices.SortFunc(have, func(a, b existing) int { return cmp.Compare(a.ID, b.ID) })
	return have
}

func (s *Supervisor) allEnded(service string) bool {
	for _, i := range s.running {
		if e, _ := i.existing(); e.Service.Name == service && !e.Ended {
			return false
		}
	}
	return true
}
