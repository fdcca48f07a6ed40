package dns

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/msctl/msctl/registry/catalog"
)

// answer is one in the making.
type answer struct {
	server   *Server
	question dns.Question
	message  *dns.Msg
}

// find answers for a name without its domain, in lower case. It reports whether
// there is such a name; that alone which others are under has nothing.
func (a *answer) find(labels []string) bool {
	o := a.server.options
	if last := len(labels) - 1; labels[last] == strings.ToLower(o.Datacenter) {
		labels = labels[:last]
	}
	if len(labels) == 0 || len(labels) == 1 && labels[0] == "" {
		return true // the domain itself, or the datacenter
	}
	if len(labels) == 2 && isService(labels) {
		return a.service(labels[0][1:], labels[1][1:])
	}
	kind, rest := labels[len(labels)-1], labels[:len(labels)-1]
	name := strings.Join(rest, ".")
	switch {
	case kind != "service" && kind != "node" && kind != "addr":
		return false
	case len(rest) == 0:
		return true
	case kind == "node":
		return a.node(name)
	case kind == "addr":
		return a.address(name)
	case len(rest) == 2 && isService(rest):
		return a.service(rest[0][1:], rest[1][1:])
	}
	last := len(rest) - 1
	return a.service(rest[last], strings.Join(rest[:last], "."))
}

// isService reports whether labels are _name._tag (RFC 2782).
func isService(labels []string) bool {
	return len(labels[0]) > 1 && labels[0][0] == '_' && len(labels[1]) > 1 && labels[1][0] == '_'
}

// service answers with the instances of a service that have a tag, if there is
// one, and are not critical, in any order.
func (a *answer) service(name, tag string) bool {
	if tag == "tcp" && strings.HasPrefix(a.question.Name, "_") {
		tag = ""
	}
	name, ok := a.server.options.Catalog.Named(name)
	if !ok {
		return false
	}
	entries, _ := a.server.options.Catalog.Service(name)
	entries = slices.DeleteFunc(entries, func(e catalog.Entry) bool {
		return tag != "" && !slices.ContainsFunc(e.Service.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) ||
			slices.ContainsFunc(e.Checks, func(k *catalog.Check) bool { return k.Status == catalog.Critical })
	})
	if len(entries) == 0 {
		return false
	}
	rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	for _, e := range entries {
		if a.question.Qtype == dns.TypeSRV {
			a.srv(e)
			continue
		}
		at := e.Service.Address
		if at == "" {
			at = e.Node.Address
		}
		a.add(&a.message.Answer, host(a.question.Name, at, a.question.Qtype))
	}
	return true
}

// srv answers with an instance's port, and where its host is.
func (a *answer) srv(e catalog.Entry) {
	weight := e.Service.Weights.Passing
	if slices.ContainsFunc(e.Checks, func(k *catalog.Check) bool { return k.Status == catalog.Warning }) {
		weight = e.Service.Weights.Warning
	}
	target, at := a.nodeName(e.Node.Node), e.Node.Address
	if e.Service.Address != "" {
		at = e.Service.Address
		target = dns.Fqdn(at)
		if ip, err := netip.ParseAddr(at); err == nil {
			target = fmt.Sprintf("%s.addr.%s.%s", hex.EncodeToString(ip.Unmap().AsSlice()), a.server.options.Datacenter, domain)
		}
	}
	a.add(&a.message.Answer, &dns.SRV{
		Hdr: header(a.question.Name, dns.TypeSRV), Priority: 1,
		Weight: uint16(min(max(weight, 0), 65535)), Port: uint16(min(max(e.Service.Port, 0), 65535)), Target: target, //nolint:gosec // it is in that range
	})
	if ip, err := netip.ParseAddr(at); err == nil {
		a.add(&a.message.Extra, record(target, ip))
	}
}

// add adds a record that is not there yet.
func (a *answer) add(to *[]dns.RR, rr dns.RR) {
	if rr != nil && !slices.ContainsFunc(*to, func(other dns.RR) bool { return dns.IsDuplicate(rr, other) }) {
		*to = append(*to, rr)
	}
}

// host is the record by which a name leads to an address, nil where that is not of
// the kind that is asked for.
func host(name, at string, kind uint16) dns.RR {
	ip, err := netip.ParseAddr(at)
	switch {
	case at == "":
		return nil
	case err != nil:
		return &dns.CNAME{Hdr: header(name, dns.TypeCNAME), Target: dns.Fqdn(at)}
	}
	rr := record(name, ip)
	if kind != dns.TypeANY && kind != rr.Header().Rrtype {
		return nil
	}
	return rr
}

func record(name string, ip netip.Addr) dns.RR {
	if ip = ip.Unmap(); ip.Is4() {
		return &dns.A{Hdr: header(name, dns.TypeA), A: net.IP(ip.AsSlice())}
	}
	return &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: net.IP(ip.WithZone("").AsSlice())}
}

// node answers with a node's address, and with what it says of itself.
func (a *answer) node(name string) bool {
	nodes, _ := a.server.options.Catalog.Nodes()
	at := slices.IndexFunc(nodes, func(n *catalog.Node) bool { return strings.EqualFold(n.Node, name) })
	if at < 0 {
		return false
	}
	n := nodes[at]
	kind := a.question.Qtype
	a.add(&a.message.Answer, host(a.question.Name, n.Address, kind))
	if kind != dns.TypeTXT && kind != dns.TypeANY {
		return true
	}
	for _, key := range slices.Sorted(maps.Keys(n.Meta)) {
		text := key + "=" + n.Meta[key]
		if strings.HasPrefix(key, "rfc1035-") {
			text = n.Meta[key]
		}
		a.add(&a.message.Answer, &dns.TXT{Hdr: header(a.question.Name, dns.TypeTXT), Txt: split(text)})
	}
	return true
}

// split makes strings of a TXT record, which have at most 255 bytes (RFC 1035
// §3.3).
func split(text string) []string {
	const most = 255
	var out []string
	for len(text) > most {
		out, text = append(out, text[:most]), text[most:]
	}
	return append(out, text)
}

// address answers for an address that is written in hexadecimal digits.
func (a *answer) address(digits string) bool {
	b, err := hex.DecodeString(digits)
	ip, ok := netip.AddrFromSlice(b)
	if err != nil || !ok {
		return false
	}
	a.add(&a.message.Answer, host(a.question.Name, ip.String(), a.question.Qtype))
	return true
}

func (a *answer) nodeName(node string) string {
	return node + ".node." + a.server.options.Datacenter + "." + domain
}

// ns is the registry's own node; where that is comes along.
func (a *answer) ns() dns.RR {
	o := a.server.options
	name := a.nodeName(o.Node)
	if n, _, _, _ := o.Catalog.OnNode(o.Node); n != nil {
		if ip, err := netip.ParseAddr(n.Address); err == nil {
			a.add(&a.message.Extra, record(name, ip))
		}
	}
	return &dns.NS{Hdr: header(domain, dns.TypeNS), Ns: name}
}
