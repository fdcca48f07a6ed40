package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/msctl/msctl/ports"
	"github.com/msctl/msctl/stack"
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
		if leaving[sv.Port] {
			continue
		}
		var found *PortsTaken
		if errors.As(portTaken(sv), &found) {
			taken = append(taken, found.Taken...)
		}
	}
	if len(taken) > 0 {
		return &PortsTaken{Taken: taken}
	}
	return nil
}

// portTaken is a *PortsTaken when something else holds the fixed port of a
// service that is about to start: its probe would find that, and take it for
// the service.
func portTaken(sv *stack.Service) error {
	if sv.Port == 0 || ports.Free(sv.Port) {
		return nil
	}
	holder := ""
	if h, err := ports.FindHolder(sv.Port); err != nil {
		holder = "another process: " + err.Error()
	} else {
		holder = h.String()
	}
	return &PortsTaken{Taken: []PortTaken{{Service: sv.Name, Port: sv.Port, Holder: holder}}}
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
		keys = append(keys, portKey(st.Instance, s.slotFor(st)))
	}
	if len(keys) == 0 {
		return given, nil
	}
	leased, err := s.Ports.Take(keys, t.fixes)
	if err != nil {
		return nil, err
	}
	for key, p := range leased {
		id, _, _ := strings.Cut(key, slotMark)
		given[id] = p
	}
	return given, nil
}

// slotMark sets a replica's ID off from the number of its port.
const slotMark = "#"

// portKey is what a port is leased for: a replica has as many ports as it has
// instances at once, while some stand by and others drain.
func portKey(id string, slot int) string {
	if slot == 0 {
		return id
	}
	return fmt.Sprintf("%s%s%d", id, slotMark, slot)
}

// slotFor is the slot of the instance that a step starts: that of the one
// which ends first, or a free one.
func (s *Supervisor) slotFor(st Step) int {
	if i, ok := s.running[st.Instance]; ok {
		return i.slot
	}
	return s.freeSlot(st.Instance)
}

// freeSlot is the first slot of a replica that no instance has.
func (s *Supervisor) freeSlot(id string) (slot int) {
	taken := map[int]bool{}
	for _, i := range s.running {
		taken[i.slot] = taken[i.slot] || i.want.ID == id
	}
	for i := range s.beside {
		_, gone := i.existing()
		taken[i.slot] = taken[i.slot] || i.want.ID == id && !gone
	}
	for taken[slot] {
		slot++
	}
	return slot
}

// leasePort gives the port of a slot.
func (s *Supervisor) leasePort(id string, slot int) (int, error) {
	key := portKey(id, slot)
	leased, err := s.Ports.Take([]string{key}, s.target.fixes)
	return leased[key], err
}

// fixes reports whether a port belongs to one service.
func (t target) fixes(port int) bool {
	return slices.ContainsFunc(t.stack.Services, func(sv stack.Service) bool { return sv.Port == port })
}
