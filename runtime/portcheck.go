package runtime

import (
	"fmt"
	"strings"

	"github.com/msctl/msctl/ports"
)

// PortsTaken tells of fixed ports that something else holds.
type PortsTaken struct{ Taken []PortTaken }

// PortTaken is one of them.
type PortTaken struct {
	Service string
	Port    int
	Holder  string // "python3 (pid 412)", or why it is not known
}

func (e *PortsTaken) Error() string {
	lines := make([]string, 0, len(e.Taken))
	for _, t := range e.Taken {
		lines = append(lines, fmt.Sprintf("start %s: port %d is held by %s", t.Service, t.Port, t.Holder))
	}
	return strings.Join(lines, "\n")
}

// Hint names the key to change.
func (e *PortsTaken) Hint() string {
	return fmt.Sprintf("stop it, or change services.%s.port; without port, a free one is taken", e.Taken[0].Service)
}

// checkFixedPorts makes sure, before anything starts, that the fixed ports of
// new instances are free. A replaced instance holds its own.
func (s *Supervisor) checkFixedPorts(steps []Step) error {
	leaving := map[int]bool{}
	for _, st := range steps {
		if i, ok := s.running[st.Instance]; ok {
			leaving[i.spec.Port] = true
		}
	}
	var taken []PortTaken
	for _, st := range steps {
		if st.Action != Start || st.want.Address != "" {
			continue
		}
		sv := st.want.Service
		if sv.Port == 0 || leaving[sv.Port] || ports.Free(sv.Port) {
			continue
		}
		holder := ""
		if h, err := ports.FindHolder(sv.Port); err != nil {
			holder = "another process: " + err.Error()
		} else {
			holder = h.String()
		}
		taken = append(taken, PortTaken{Service: sv.Name, Port: sv.Port, Holder: holder})
	}
	if len(taken) > 0 {
		return &PortsTaken{Taken: taken}
	}
	return nil
}

// leasePorts gives every instance that is about to start its port.
func (s *Supervisor) leasePorts(t target, steps []Step) (map[string]int, error) {
	given := map[string]int{}
	var keys []string
	for _, st := range steps {
		if st.Action != Start && st.Action != Replace || st.want.Address != "" {
			continue
		}
		if p := st.want.Service.Port; p != 0 {
			given[st.Instance] = p
			continue
		}
		keys = append(keys, st.Instance)
	}
	if len(keys) == 0 {
		return given, nil
	}
	fixed := map[int]bool{}
	for _, sv := range t.stack.Services {
		fixed[sv.Port] = true
	}
	leased, err := s.Ports.Take(keys, func(p int) bool { return fixed[p] })
	if err != nil {
		return nil, err
	}
	for id, p := range leased {
		given[id] = p
	}
	return given, nil
}
