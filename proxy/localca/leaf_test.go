package localca

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trusting is what a client that trusts a alone checks with.
func trusting(a *Authority, name string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root())
	return &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}
}

// handshake has a client meet a server, and returns what the client saw.
func handshake(t *testing.T, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	return handshakeAt(t, "127.0.0.1:0", client, server)
}

// handshakeAt is handshake at an address. The test is skipped where the
// machine does not have it.
func handshakeAt(t *testing.T, addr string, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := tls.Listen("tcp", addr, server)
	if err != nil {
		t.Skip(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := ln.Accept(); err == nil {
			conn.(*tls.Conn).Handshake() // the client tells how it went
			conn.Close()
		}
	}()
	defer func() {
		ln.Close()
		<-served
	}()
	conn, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func config(t *testing.T, a *Authority) *tls.Config {
	t.Helper()
	c, err := Config("", "", a, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNames(t *testing.T) {
	a := open(t, t.TempDir())
	server := config(t, a)
	for _, name := range []string{
		"localhost", "shop.localhost", "a.b.localhost", "a.b.c.d.localhost", "SHOP.Localhost",
		"under_score.localhost", "test", "shop.test", "a.b.test", "127.0.0.1", "::1",
	} {
		t.Run(name, func(t *testing.T) {
			state, err := handshake(t, trusting(a, name), server)
			if err != nil {
				t.Fatal(err)
			}
			leaf := state.PeerCertificates[0]
			if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 397*24*time.Hour {
				t.Errorf("it is valid for %s: browsers refuse it", life)
			}
			if len(leaf.DNSNames) != 1 {
				t.Errorf("it is for %v, want one name", leaf.DNSNames)
			}
		})
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	a := open(t, t.TempDir())
	server := config(t, a)
	for _, name := range []string{
		"example.com", "notlocalhost", "localhost.example.com", "test.example", "metadata.google.internal",
		strings.Repeat("a", 64) + ".localhost",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := handshake(t, trusting(a, name), server); err == nil {
				t.Error("a client got a certificate")
			}
			_, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want the name in it", err)
			}
		})
	}
	_, err := a.Certificate(&tls.ClientHelloInfo{ServerName: "example.com"})
	if err == nil || !strings.Contains(err.Error(), "gateway.tls") {
		t.Errorf("error %v, want what to do in it", err)
	}
	for _, name := range []string{"..localhost", "a b.localhost", "*.localhost", "a/b.test", strings.Repeat("a.", 140) + "test"} {
		if _, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name}); err == nil {
			t.Errorf("%q got a certificate", name)
		}
	}
}

// TestStolenKey signs, with the authority's key, what the authority refuses to:
// those who trust it must not believe it.
func TestStolenKey(t *testing.T) {
	a := open(t, t.TempDir())
	for _, leaf := range []*x509.Certificate{
		{DNSNames: []string{"example.com"}},
		{DNSNames: []string{"localhost", "example.com"}},
		{DNSNames: []string{"localhost.example.com"}},
		{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
		{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}},
	} {
		leaf.NotBefore, leaf.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		der, err := x509.CreateCertificate(rand.Reader, leaf, a.root, a.leafKey.Public(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		name := append(leaf.DNSNames, fmt.Sprint(leaf.IPAddresses))[0]
		if len(leaf.IPAddresses) > 0 {
			name = leaf.IPAddresses[0].String()
		}
		server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.leafKey}}}
		if _, err := handshake(t, trusting(a, name), server); err == nil {
			t.Errorf("a client believes %v %v", leaf.DNSNames, leaf.IPAddresses)
		}
		if _, err := exec.LookPath("openssl"); err == nil {
			if out, err := openssl(t, a, der); err == nil {
				t.Errorf("OpenSSL believes %v %v: %s", leaf.DNSNames, leaf.IPAddresses, out)
			}
		}
	}
}

// TestAddresses meets a server at addresses, as a client without a name does.
func TestAddresses(t *testing.T) {
	a := open(t, t.TempDir())
	for _, addr := range []string{"127.0.0.1:0", "127.3.2.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			if _, err := handshakeAt(t, addr, trusting(a, ""), config(t, a)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenSSLAccepts(t *testing.T) {
	require(t, "openssl")
	a := open(t, t.TempDir())
	for _, name := range []string{"localhost", "a.b.localhost", "shop.test", "127.0.0.1"} {
		c, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		check := "-verify_hostname"
		if net.ParseIP(name) != nil {
			check = "-verify_ip"
		}
		if out, err := openssl(t, a, c.Certificate[0], check, name); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// openssl verifies a certificate as strictly as OpenSSL can.
func openssl(t *testing.T, a *Authority, der []byte, more ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "leaf.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", a.File()}, more...)
	out, err := exec.CommandContext(context.Background(), "openssl", append(args, file)...).CombinedOutput()
	return string(out), err
}

// require skips the test where tool is not installed, but where
// MSCTL_TEST_REQUIRE=all forbids that.
func require(t *testing.T, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	switch {
	case err == nil:
	case os.Getenv("MSCTL_TEST_REQUIRE") == "all":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

func TestLeavesAreKeptAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, t.TempDir())
		serial := func() string {
			t.Helper()
			state, err := handshake(t, trusting(a, "shop.localhost"), config(t, a))
			if err != nil {
				t.Fatal(err)
			}
			return state.PeerCertificates[0].SerialNumber.String()
		}
		first := serial()
		<-time.After(leafLife - renewBefore - time.Minute)
		if serial() != first {
			t.Error("it was renewed early")
		}
		<-time.After(2 * time.Minute)
		second := serial()
		if second == first {
			t.Error("it was not renewed")
		}
		<-time.After(2 * leafLife) // as a laptop that slept
		if serial() == second {
			t.Error("it was not renewed after its end")
		}
	})
}

func TestAuthorityEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := open(t, dir)
		<-time.After(time.Until(a.Root().NotAfter) - time.Hour)
		state, err := handshake(t, trusting(a, "localhost"), config(t, a))
		if err != nil {
			t.Fatal(err)
		}
		if end := state.PeerCertificates[0].NotAfter; end.After(a.Root().NotAfter) {
			t.Errorf("the certificate ends on %s, after the authority's", end)
		}
		<-time.After(2 * time.Hour)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "ended on") {
			t.Errorf("Open: %v, want that it ended", err)
		}
	})
}

func TestLeavesAreBounded(t *testing.T) {
	a := open(t, t.TempDir())
	for i := range maxLeaves + 20 {
		if _, err := a.Certificate(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("s%d.localhost", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(a.leaves); n != maxLeaves {
		t.Errorf("%d certificates are kept, want %d", n, maxLeaves)
	}
}
