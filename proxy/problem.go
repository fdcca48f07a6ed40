package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/msctl/msctl/proxy/balance"
	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/registry"
)

func problem(status int, detail string) *wire.Problem {
	return &wire.Problem{Status: status, Title: http.StatusText(status), Detail: detail}
}

// answer is how a problem is told.
func answer(p *wire.Problem) *wire.Answer { return &wire.Answer{Status: p.Status, Problem: p} }

// unavailable is the answer when no instance takes requests.
func (p *pool) unavailable(o outlook, more string) *wire.Problem {
	detail := "service " + p.service + " has no instance"
	if len(o.instances) > 0 {
		states := make([]string, len(o.instances))
		for n, i := range o.instances {
			states[n] = i.ID + " is " + string(i.State)
			if i.Reason != "" {
				states[n] += " (" + i.Reason + ")"
			}
		}
		detail = "service " + p.service + " has no ready instance: " + strings.Join(states, ", ")
	}
	if more != "" {
		detail += "; " + more
	}
	out := problem(http.StatusServiceUnavailable, detail)
	out.Service, out.Instances = p.service, p.describe(o.instances)
	return out
}

// refused is the answer when no instance that should be ready could be
// connected to.
func (p *pool) refused(tried []*balance.Host, err error) *wire.Problem {
	names := make([]string, len(tried))
	for n, e := range tried {
		names[n] = e.Key
	}
	out := problem(http.StatusBadGateway, fmt.Sprintf("service %s cannot be connected to (tried %s): %v", p.service, strings.Join(names, ", "), err))
	out.Service, out.Instances = p.service, p.describe(p.known())
	return out
}

// broke is the answer when an instance took the request and gave none itself.
func (p *pool) broke(e *endpoint, err error) *wire.Problem {
	detail := fmt.Sprintf("%s broke off: %v", name(p, e), err)
	out := problem(http.StatusBadGateway, detail)
	out.Service, out.Instances = p.service, p.describe(p.known())
	return out
}

// slow is the answer when the route's timeout has passed.
func (p *pool) slow(e *endpoint) *wire.Problem {
	out := problem(http.StatusGatewayTimeout, name(p, e)+" did not answer within the route's timeout")
	out.Service, out.Instances = p.service, p.describe(p.known())
	return out
}

// replaced is the answer when an instance was to be stopped before it had
// answered.
func (p *pool) replaced(e *endpoint) *wire.Problem {
	known := p.known()
	how := "stopped"
	if slices.ContainsFunc(known, func(i registry.Instance) bool { return i.ID == e.instance && i.Address != e.addr }) {
		how = "replaced"
	}
	out := problem(http.StatusServiceUnavailable, fmt.Sprintf("%s was %s while the request was in flight", e.instance, how))
	out.Service, out.Instances = p.service, p.describe(known)
	return out
}

// name is the instance that has the request, or the service while none has.
func name(p *pool, e *endpoint) string {
	if e == nil {
		return "service " + p.service
	}
	return e.instance
}

func (p *pool) known() []registry.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances
}

func (p *pool) describe(instances []registry.Instance) []wire.Instance {
	var out []wire.Instance
	for _, i := range instances {
		d := wire.Instance{ID: i.ID, State: string(i.State), Reason: i.Reason}
		if p.lastLine != nil {
			d.LastLine = p.lastLine(i.ID)
		}
		out = append(out, d)
	}
	return out
}

// waited says how long, when that is worth saying.
func waited(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return fmt.Sprintf("waited %s for one", d.Round(time.Second))
}
