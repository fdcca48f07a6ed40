// Package dns answers for the names of the catalog, as Consul's DNS does: services
// by address and by SRV, nodes, and addresses. It knows no other names.
package dns

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/msctl/msctl/registry/catalog"
)

// domain is what all names end with.
const domain = "consul."

// The bounds of an answer (Consul's: udp_answer_limit, RFC 1035 §4.2.1, and the
// size of which an EDNS client is served at most).
const (
	maxPlainAnswers = 3
	plainSize       = dns.MinMsgSize
	maxSize         = 4096
)

// idle ends a connection of TCP that asks nothing.
const idle = 10 * time.Second

// Options are a Server's.
type Options struct {
	Catalog    *catalog.Catalog
	Datacenter string
	Node       string // the name of the registry's own node
}

// Server answers. It is a dns.Handler.
type Server struct{ options Options }

// New returns a server.
func New(o Options) *Server { return &Server{o} }

// Run answers what comes in until ctx ends. It closes both.
func (s *Server) Run(ctx context.Context, udp net.PacketConn, tcp net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := []*dns.Server{
		{PacketConn: udp, Handler: s},
		{Listener: tcp, Handler: s, IdleTimeout: func() time.Duration { return idle }},
	}
	var g sync.WaitGroup
	errs := make([]error, len(servers))
	for n, one := range servers {
		started := make(chan struct{})
		one.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		g.Go(func() {
			defer close(done)
			errs[n] = one.ActivateAndServe()
			cancel() // one without the other serves nobody
		})
		g.Go(func() {
			<-ctx.Done()
			select {
			case <-started:
			case <-done:
				return
			}
			last, release := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer release()
			_ = one.ShutdownContext(last) // who does not read has to do without
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := s.Answer(r)
	if w.RemoteAddr().Network() == "udp" {
		fit(m, r.IsEdns0())
	}
	if w.WriteMsg(m) != nil { // a name that somebody registered cannot be packed, or the client has gone
		_ = w.WriteMsg(new(dns.Msg).SetRcode(r, dns.RcodeServerFailure)) // as above
	}
}

// Answer is the answer to a query, whole.
func (s *Server) Answer(r *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(r)
	m.Compress = true
	if opt := r.IsEdns0(); opt != nil {
		m.SetEdns0(min(max(opt.UDPSize(), plainSize), maxSize), false)
	}
	if r.Opcode != dns.OpcodeQuery || len(r.Question) != 1 {
		m.Rcode = dns.RcodeNotImplemented
		return m
	}
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain(domain, name) || q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY {
		m.Rcode = dns.RcodeRefused
		return m
	}
	m.Authoritative = true
	a := &answer{server: s, question: q, message: m}
	switch q.Qtype {
	case dns.TypeSOA:
		m.Answer = append(m.Answer, soa())
		return m
	case dns.TypeNS:
		m.Answer = append(m.Answer, a.ns())
		return m
	}
	if !a.find(strings.Split(strings.TrimSuffix(strings.TrimSuffix(name, domain), "."), ".")) {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, soa())
	}
	return m
}

// soa is of a zone that nobody is to keep anything of.
func soa() dns.RR {
	return &dns.SOA{
		Hdr: header(domain, dns.TypeSOA), Ns: "ns." + domain, Mbox: "hostmaster." + domain,
		Serial: uint32(time.Now().Unix()), Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 0, //nolint:gosec // it wraps around, as serials do (RFC 1982)
	}
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 0}
}

// fit leaves out of an answer what a datagram has no room for. One without EDNS
// has few answers; one that is cut short says so, and can be had by TCP.
func fit(m *dns.Msg, opt *dns.OPT) {
	size := plainSize
	if opt != nil {
		size = int(min(max(opt.UDPSize(), plainSize), maxSize))
	} else if len(m.Answer) > maxPlainAnswers {
		m.Answer = m.Answer[:maxPlainAnswers]
		m.Extra = needed(m.Answer, m.Extra)
	}
	m.Truncate(size)
}

// needed are the additional records of the hosts that the answers lead to.
func needed(answers, extra []dns.RR) []dns.RR {
	hosts := map[string]bool{}
	for _, rr := range answers {
		if srv, ok := rr.(*dns.SRV); ok {
			hosts[srv.Target] = true
		}
	}
	var out []dns.RR
	for _, rr := range extra {
		if rr.Header().Rrtype == dns.TypeOPT || hosts[rr.Header().Name] {
			out = append(out, rr)
		}
	}
	return out
}
