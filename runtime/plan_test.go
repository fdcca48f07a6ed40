package runtime

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/stack"
)

// shop is migrate ← catalog ← orders ← web, orders with two replicas.
func shop() *stack.Stack {
	return &stack.Stack{Name: "shop", Services: []stack.Service{
		{Name: "web", Kind: stack.KindService, Replicas: 1, DependsOn: []stack.Dependency{{Service: "orders"}, {Service: "catalog"}}},
		{Name: "orders", Kind: stack.KindService, Replicas: 2, DependsOn: []stack.Dependency{{Service: "catalog", Restart: true}}},
		{Name: "catalog", Kind: stack.KindService, Replicas: 1, DependsOn: []stack.Dependency{{Service: "migrate", Condition: stack.Completed}}},
		{Name: "migrate", Kind: stack.KindJob, Replicas: 1},
	}}
}

func all(st *stack.Stack) map[string]bool {
	m := map[string]bool{}
	for _, s := range st.Services {
		m[s.Name] = true
	}
	return m
}

// have is what runs once a target has been reached.
func have(t target) []existing {
	var out []existing
	for _, w := range t.instances() {
		e := existing{ID: w.ID, Service: w.Service, DotEnv: w.DotEnv, Stopped: !w.Run, Ended: !w.Run}
		if w.Service.Kind == stack.KindJob {
			e.Ended, e.Success = true, true
		}
		out = append(out, e)
	}
	return out
}

func lines(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(strings.TrimRight(s.String(), " ") + "\n")
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	up := target{stack: shop(), selected: all(shop())}
	edited := func(edit func(st *stack.Stack)) target {
		st := shop()
		edit(st)
		return target{stack: st, selected: all(st)}
	}
	failed := have(up)
	for n := range failed {
		if failed[n].ID == "orders-2" {
			failed[n].Ended = true
		}
	}
	for _, c := range []struct {
		name string
		want target
		have []existing
		plan string
	}{
		{"from nothing, dependencies first", up, nil, `
start    migrate-1  new
start    catalog-1  new
start    orders-1  new
start    orders-2  new
start    web-1  new
`},
		{"nothing to do", up, have(up), "\n"},
		{"down, dependents first", target{}, have(up), `
remove   web-1  no longer wanted
remove   orders-1  no longer wanted, after web-1
remove   orders-2  no longer wanted, after web-1
remove   catalog-1  no longer wanted, after orders-1, orders-2, web-1
remove   migrate-1  no longer wanted, after catalog-1
`},
		{"a changed environment, and who restarts with it", edited(func(st *stack.Stack) {
			st.Services[2].Environment = map[string]string{"A": "1"}
		}), have(up), `
replace  catalog-1  environment changed
replace  orders-1  catalog is replaced
replace  orders-2  catalog is replaced
`},
		{"a route is followed without a restart", edited(func(st *stack.Stack) {
			st.Services[2].Routes = []stack.Route{{Path: "/catalog"}}
		}), have(up), "\n"},
		{"a .env is everybody's", edited(func(st *stack.Stack) {
			st.DotEnv = map[string]string{"A": "1"}
			st.Services = st.Services[3:]
		}), []existing{have(up)[0]}, `
replace  migrate-1  .env changed
`},
		{"scaled down", target{stack: shop(), selected: all(shop()), scale: map[string]int{"orders": 1}}, have(up), `
remove   orders-2  no longer wanted
`},
		{"a service stopped on purpose", target{stack: shop(), selected: all(shop()), stopped: map[string]bool{"orders": true}}, have(up), `
stop     orders-1  asked to
stop     orders-2  asked to
`},
		{"and started again", up, have(target{stack: shop(), selected: all(shop()), stopped: map[string]bool{"orders": true}}), `
replace  orders-1  was stopped
replace  orders-2  was stopped
`},
		{"a service that left the file", edited(func(st *stack.Stack) { st.Services = st.Services[1:] }), have(up), `
remove   web-1  no longer wanted
`},
		{"a restart", target{stack: shop(), selected: all(shop()), anew: map[string]string{"web": "restart asked for"}}, have(up), `
replace  web-1  restart asked for
`},
		{"what failed stays so", up, failed, "\n"},
		{"until up says otherwise", target{stack: shop(), selected: all(shop()), retry: true}, failed, `
replace  orders-2  had failed
`},
		{"a selection", target{stack: shop(), selected: map[string]bool{"catalog": true}}, nil, `
start    catalog-1  new
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.plan, "\n"), lines(plan(c.want.instances(), c.have))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanIsAFixedPoint(t *testing.T) {
	up := target{stack: shop(), selected: all(shop())}
	if steps := plan(up.instances(), have(up)); len(steps) != 0 {
		t.Errorf("a reached target has steps left:\n%s", lines(steps))
	}
}

func TestListens(t *testing.T) {
	st := shop()
	st.Services = append(st.Services, stack.Service{Name: "worker", Kind: stack.KindService}, stack.Service{Name: "routed", Kind: stack.KindService})
	st.Gateway.Routes = []stack.Route{{To: "routed"}}
	tg := target{stack: st, selected: all(st)}
	for name, want := range map[string]bool{"web": false, "orders": true, "catalog": true, "migrate": false, "worker": false, "routed": true} {
		s, _ := st.Service(name)
		if got := tg.listens(s); got != want {
			t.Errorf("%s listens: %v, want %v", name, got, want)
		}
	}
}
