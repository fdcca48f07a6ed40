package localca

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	leafLife    = 90 * 24 * time.Hour // browsers refuse more than 398 days
	renewBefore = leafLife / 3        // as ACME clients do
	maxLeaves   = 256                 // what is asked for is up to the client
)

// Certificate returns a certificate for the name that the client asks for, or
// for localhost and the loopback addresses when it names none, as clients do
// that were given an address. It is a tls.Config's GetCertificate.
func (a *Authority) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if addr, err := netip.ParseAddr(name); name == "" || err == nil {
		name = "localhost"
		if !addr.IsValid() {
			addr = localAddr(hello.Conn)
		}
		if addr = addr.Unmap(); addr.IsLoopback() && addr.Is4() {
			ips[0] = net.IP(addr.AsSlice())
		}
	}
	if err := permitted(name); err != nil {
		return nil, err
	}
	key := name
	if name == "localhost" {
		key += " " + ips[0].String()
	} else {
		ips = nil
	}
	return a.leaf(key, name, ips)
}

// localAddr is the address that conn was accepted at, if it is one.
func localAddr(conn net.Conn) netip.Addr {
	if conn != nil {
		if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
			return a.AddrPort().Addr()
		}
	}
	return netip.Addr{}
}

// permitted says why the authority cannot issue a certificate for name, if so.
func permitted(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("no certificate for a name of %d bytes", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("no certificate for %q: it is no host name", name)
		}
	}
	for _, domain := range permittedDomains {
		if name == domain || strings.HasSuffix(name, "."+domain) {
			return nil
		}
	}
	return fmt.Errorf("no certificate for %q: the local authority is for *.%s and loopback addresses; "+
		"use such a name, or set gateway.tls to a certificate and key of your own", name, strings.Join(permittedDomains, ", *."))
}

// leaf returns the certificate kept under key, or a new one.
func (a *Authority) leaf(key, name string, ips []net.IP) (*tls.Certificate, error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.leaves[key]; c != nil && now.Before(c.Leaf.NotAfter.Add(-renewBefore)) {
		return c, nil
	}
	c, err := a.issue(now, name, ips)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %s: %w", name, err)
	}
	delete(a.leaves, key)
	if len(a.leaves) >= maxLeaves {
		a.forgetOldest()
	}
	a.leaves[key] = c
	return c, nil
}

func (a *Authority) forgetOldest() {
	oldest := ""
	for key, c := range a.leaves {
		if oldest == "" || c.Leaf.NotAfter.Before(a.leaves[oldest].Leaf.NotAfter) {
			oldest = key
		}
	}
	delete(a.leaves, oldest)
}

func (a *Authority) issue(now time.Time, name string, ips []net.IP) (*tls.Certificate, error) {
	end := now.Add(leafLife)
	if end.After(a.root.NotAfter) {
		end = a.root.NotAfter
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"msctl development certificate"}},
		DNSNames:              []string{name},
		IPAddresses:           ips,
		NotBefore:             now.Add(-backdate),
		NotAfter:              end,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.root, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey, Leaf: leaf}, nil
}
