package dns_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mdns "github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/msctl/msctl/registry/catalog"
	"github.com/msctl/msctl/registry/consul/consultest"
	"github.com/msctl/msctl/registry/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// registrations are what the tests ask for; those of the first five have a status.
var registrations = []catalog.Registration{
	web(1, catalog.Passing, "odd", "a.b"), web(2, catalog.Passing, "even"), web(3, catalog.Warning, "odd"), web(4, catalog.Critical, "odd"),
	{Service: &catalog.Service{ID: "down", Service: "down", Port: 1}, Checks: []catalog.Check{{CheckID: "down", ServiceID: "down", Status: catalog.Critical}}},
	{Service: &catalog.Service{ID: "plain", Service: "plain", Port: 7}},
	{Service: &catalog.Service{ID: "host", Service: "host", Port: 7, Address: "example.test"}},
	{Service: &catalog.Service{ID: "six", Service: "six", Port: 7, Address: "::1"}},
	{Service: &catalog.Service{ID: "Caps", Service: "Caps", Port: 7}},
	{Node: catalog.Node{Node: "far", Address: "10.0.0.9", Meta: map[string]string{"rfc1035-note": "hello", "team": "a"}}, Service: &catalog.Service{ID: "db", Service: "db", Port: 5432}},
}

func web(n int, status catalog.Status, tags ...string) catalog.Registration {
	id := fmt.Sprintf("web-%d", n)
	return catalog.Registration{
		Service: &catalog.Service{ID: id, Service: "web", Port: 8080 + n, Address: fmt.Sprintf("127.0.0.%d", n), Tags: tags, Weights: catalog.Weights{Passing: 10 * n, Warning: 1}},
		Checks:  []catalog.Check{{CheckID: id, ServiceID: id, Status: status}},
	}
}

// start serves a catalog, and returns where.
func start(t *testing.T, more ...catalog.Registration) string {
	t.Helper()
	var n uint64
	c, err := catalog.New(catalog.Options{Next: func() uint64 { n++; return n }})
	if err != nil {
		t.Fatal(err)
	}
	own := catalog.Node{Node: "here", Address: "127.0.0.1"}
	for _, r := range append(append([]catalog.Registration{{Node: own}}, registrations...), more...) {
		if r.Node.Node == "" {
			r.Node = own
		}
		if s := r.Service; s != nil && s.Weights == (catalog.Weights{}) {
			s.Weights = catalog.Weights{Passing: 1, Warning: 1}
		}
		if err := c.Register(r); err != nil {
			t.Fatal(err)
		}
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- dns.New(dns.Options{Catalog: c, Datacenter: "dc1", Node: "here"}).Run(ctx, udp, tcp) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return tcp.Addr().String()
}

// startReal has a Consul serve the same.
func startReal(t *testing.T) string {
	t.Helper()
	path := consultest.Find()
	if path == "" {
		t.Skip(consultest.Missing)
	}
	a, err := consultest.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Stop)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, r := range registrations {
		path, body := "/v1/agent/service/register", map[string]any{
			"ID": r.Service.ID, "Name": r.Service.Service, "Port": r.Service.Port, "Address": r.Service.Address, "Tags": r.Service.Tags,
		}
		if w := r.Service.Weights; w.Passing > 0 {
			body["Weights"] = w
		}
		if r.Node.Node != "" {
			path, body = "/v1/catalog/register", map[string]any{"Node": r.Node.Node, "Address": r.Node.Address, "NodeMeta": r.Node.Meta, "Service": map[string]any{
				"ID": r.Service.ID, "Service": r.Service.Service, "Port": r.Service.Port,
			}}
		}
		for _, k := range r.Checks {
			body["Check"] = map[string]any{"CheckID": k.CheckID, "TTL": "1h", "Status": k.Status}
		}
		b, _ := json.Marshal(body) // it is of strings and numbers
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+a.HTTP+path, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", b, res.Status)
		}
	}
	for last := "plain.service.consul."; ask(t, a.DNS, "udp", last, mdns.TypeA).Rcode != mdns.RcodeSuccess; {
	}
	return a.DNS
}

func ask(t *testing.T, at, network, name string, kind uint16) *mdns.Msg {
	t.Helper()
	m := new(mdns.Msg).SetQuestion(mdns.Fqdn(name), kind)
	r, _, err := (&mdns.Client{Net: network}).ExchangeContext(t.Context(), m, at)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// told is an answer in short: its code, and its records in order, without what is
// the same in all.
func told(m *mdns.Msg) string {
	out := mdns.RcodeToString[m.Rcode]
	for _, section := range []struct {
		name    string
		records []mdns.RR
	}{{"", m.Answer}, {"ns", m.Ns}, {"extra", m.Extra}} {
		var lines []string
		for _, rr := range section.records {
			h := rr.Header()
			if section.name == "extra" && h.Rrtype == mdns.TypeTXT {
				continue // a Consul tells of nodes that nobody asked for
			}
			text := strings.TrimPrefix(rr.String(), h.String())
			if h.Rrtype == mdns.TypeSOA {
				text = "soa"
			}
			lines = append(lines, strings.TrimSpace(section.name+" "+mdns.TypeToString[h.Rrtype]+" "+text))
		}
		slices.Sort(lines)
		for _, line := range lines {
			out += "; " + line
		}
	}
	return out
}

func TestNames(t *testing.T) {
	const none, empty = "NXDOMAIN; ns SOA soa", "NOERROR; ns SOA soa"
	const three = "NOERROR; A 127.0.0.1; A 127.0.0.2; A 127.0.0.3"
	const srv = "NOERROR; SRV 1 1 8083 7f000003.addr.dc1.consul.; SRV 1 10 8081 7f000001.addr.dc1.consul.; SRV 1 20 8082 7f000002.addr.dc1.consul.; " +
		"extra A 127.0.0.1; extra A 127.0.0.2; extra A 127.0.0.3"
	const odd = "NOERROR; SRV 1 1 8083 7f000003.addr.dc1.consul.; SRV 1 10 8081 7f000001.addr.dc1.consul.; extra A 127.0.0.1; extra A 127.0.0.3"
	for at, begin := range map[string]func(*testing.T) string{"msctl": func(t *testing.T) string { t.Helper(); return start(t) }, "consul": startReal} {
		t.Run(at, func(t *testing.T) {
			at := begin(t)
			for _, test := range []struct {
				name string
				kind uint16
				want string
			}{
				{"web.service.consul", mdns.TypeA, three},
				{"web.service.dc1.consul", mdns.TypeA, three},
				{"WEB.Service.CONSUL", mdns.TypeA, three},
				{"web.service.consul", mdns.TypeANY, three},
				{"web.service.consul", mdns.TypeAAAA, empty},
				{"web.service.consul", mdns.TypeSRV, srv},
				{"_web._tcp.service.consul", mdns.TypeSRV, srv},
				{"_web._tcp.consul", mdns.TypeSRV, srv},
				{"_web._odd.service.dc1.consul", mdns.TypeSRV, odd},
				{"odd.web.service.consul", mdns.TypeSRV, odd},
				{"ODD.web.service.consul", mdns.TypeSRV, odd},
				{"a.b.web.service.consul", mdns.TypeA, "NOERROR; A 127.0.0.1"},
				{"other.web.service.consul", mdns.TypeA, none},
				{"down.service.consul", mdns.TypeA, none},
				{"none.service.consul", mdns.TypeSRV, none},
				{"plain.service.consul", mdns.TypeA, "NOERROR; A 127.0.0.1"},
				{"plain.service.consul", mdns.TypeSRV, "NOERROR; SRV 1 1 7 here.node.dc1.consul.; extra A 127.0.0.1"},
				{"caps.service.consul", mdns.TypeA, "NOERROR; A 127.0.0.1"},
				{"host.service.consul", mdns.TypeA, "NOERROR; CNAME example.test."},
				{"host.service.consul", mdns.TypeSRV, "NOERROR; SRV 1 1 7 example.test."},
				{"six.service.consul", mdns.TypeA, empty},
				{"six.service.consul", mdns.TypeAAAA, "NOERROR; AAAA ::1"},
				{"six.service.consul", mdns.TypeSRV, "NOERROR; SRV 1 1 7 00000000000000000000000000000001.addr.dc1.consul.; extra AAAA ::1"},
				{"db.service.consul", mdns.TypeA, "NOERROR; A 10.0.0.9"},
				{"db.service.consul", mdns.TypeSRV, "NOERROR; SRV 1 1 5432 far.node.dc1.consul.; extra A 10.0.0.9"},
				{"web.service.dc9.consul", mdns.TypeA, none},
				{"here.node.consul", mdns.TypeA, "NOERROR; A 127.0.0.1"},
				{"FAR.node.dc1.consul", mdns.TypeA, "NOERROR; A 10.0.0.9"},
				{"far.node.consul", mdns.TypeTXT, `NOERROR; TXT "hello"; TXT "team=a"`},
				{"far.node.consul", mdns.TypeANY, `NOERROR; A 10.0.0.9; TXT "hello"; TXT "team=a"`},
				{"none.node.consul", mdns.TypeA, none},
				{"7f000001.addr.consul", mdns.TypeA, "NOERROR; A 127.0.0.1"},
				{"00000000000000000000000000000001.addr.dc1.consul", mdns.TypeAAAA, "NOERROR; AAAA ::1"},
				{"web.consul", mdns.TypeA, none},
				{"consul", mdns.TypeNS, "NOERROR; NS here.node.dc1.consul.; extra A 127.0.0.1"},
				{"example.com", mdns.TypeA, "REFUSED"},
			} {
				for _, network := range []string{"udp", "tcp"} {
					m := ask(t, at, network, test.name, test.kind)
					if diff := cmp.Diff(test.want, told(m)); diff != "" || m.Truncated || m.RecursionAvailable || m.Authoritative != (m.Rcode != mdns.RcodeRefused) {
						t.Errorf("%s %s, %s: %s\n%s", test.name, mdns.TypeToString[test.kind], network, diff, m)
					}
				}
			}
		})
	}
}

// TestNamesBeyondConsul: names that others are under are there (RFC 8020), and what
// is of another type has the zone's SOA.
func TestNamesBeyondConsul(t *testing.T) {
	at := start(t)
	for _, name := range []string{"consul", "service.consul", "node.dc1.consul", "dc1.consul", "addr.consul"} {
		if got := told(ask(t, at, "udp", name, mdns.TypeA)); got != "NOERROR; ns SOA soa" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, want := range map[string]string{
		"here.node.consul": "NOERROR; ns SOA soa", "7f000001.addr.consul": "NOERROR; ns SOA soa", "zz.addr.consul": "NXDOMAIN; ns SOA soa", "consul": "NOERROR; ns SOA soa",
	} {
		if got := told(ask(t, at, "udp", name, mdns.TypeAAAA)); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if m := ask(t, at, "udp", "consul", mdns.TypeSOA); len(m.Answer) != 1 {
		t.Errorf("got %s", m)
	}
}

// TestManyInstances: a datagram has what it has room for, and says when that is
// not all; a connection has everything.
func TestManyInstances(t *testing.T) {
	var many []catalog.Registration
	for n := range 250 {
		many = append(many, catalog.Registration{Service: &catalog.Service{ID: fmt.Sprint(n), Service: "many", Port: n + 1, Address: fmt.Sprintf("127.0.1.%d", n)}})
	}
	at := start(t, many...)
	if m := ask(t, at, "udp", "many.service.consul", mdns.TypeSRV); len(m.Answer) != 3 || len(m.Extra) != 3 || m.Truncated {
		t.Errorf("plain: %d answers, %d more, truncated: %v", len(m.Answer), len(m.Extra), m.Truncated)
	}
	m := new(mdns.Msg).SetQuestion("many.service.consul.", mdns.TypeSRV)
	m.SetEdns0(1232, false)
	r, _, err := new(mdns.Client).ExchangeContext(t.Context(), m, at)
	if err != nil {
		t.Fatal(err)
	}
	r.Compress = true // as it was when it came
	if len(r.Answer) < 10 || len(r.Answer) > 100 || !r.Truncated || r.Len() > 1232 || r.IsEdns0() == nil {
		t.Errorf("EDNS: %d answers, truncated: %v, %d bytes", len(r.Answer), r.Truncated, r.Len())
	}
	if m := ask(t, at, "tcp", "many.service.consul", mdns.TypeSRV); len(m.Answer) != 250 || len(m.Extra) != 250 || m.Truncated {
		t.Errorf("TCP: %d answers, %d more, truncated: %v", len(m.Answer), len(m.Extra), m.Truncated)
	}
	seen := map[string]bool{} // the few are not always the same
	for range 50 {
		for _, rr := range ask(t, at, "udp", "many.service.consul", mdns.TypeA).Answer {
			seen[rr.String()] = true
		}
	}
	if len(seen) < 50 {
		t.Errorf("150 answers had %d instances of 250", len(seen))
	}
}

// TestGoFindsServices: the resolver of Go's library is one that knows nothing of
// this one.
func TestGoFindsServices(t *testing.T) {
	at := start(t)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}}
	hosts, err := r.LookupHost(t.Context(), "web.service.consul.")
	slices.Sort(hosts)
	if err != nil || !slices.Equal(hosts, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}) {
		t.Errorf("got %v, %v", hosts, err)
	}
	_, all, err := r.LookupSRV(t.Context(), "web", "tcp", "service.consul.")
	if err != nil || len(all) != 3 {
		t.Errorf("got %v, %v", all, err)
	}
}

func FuzzAnswer(f *testing.F) {
	c, err := catalog.New(catalog.Options{Next: func() uint64 { return 1 }})
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range registrations {
		if r.Node.Node == "" {
			r.Node = catalog.Node{Node: "here", Address: "127.0.0.1"}
		}
		if err := c.Register(r); err != nil {
			f.Fatal(err)
		}
	}
	s := dns.New(dns.Options{Catalog: c, Datacenter: "dc1", Node: "here"})
	for _, name := range []string{"web.service.consul.", "_web._tcp.service.consul.", "far.node.consul.", "zz.addr.dc1.consul.", "consul.", ".", "..consul."} {
		for _, kind := range []uint16{mdns.TypeA, mdns.TypeSRV, mdns.TypeTXT} {
			f.Add(name, kind)
		}
	}
	f.Fuzz(func(t *testing.T, name string, kind uint16) {
		if _, ok := mdns.IsDomainName(name); !ok {
			return
		}
		q := new(mdns.Msg).SetQuestion(mdns.Fqdn(name), kind)
		packed, err := q.Pack()
		if err != nil {
			return
		}
		if err := q.Unpack(packed); err != nil {
			return
		}
		m := s.Answer(q)
		if _, err := m.Pack(); err != nil {
			t.Fatalf("%q: %v\n%s", name, err, m)
		}
	})
}
