package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/msctl/msctl/proxy/localca"
	"github.com/msctl/msctl/stack"
)

// tlsFiles tell one way of speaking TLS from another.
type tlsFiles struct {
	on        bool
	cert, key string // "" are the local authority's
}

func filesOf(t *stack.TLS) tlsFiles {
	if t == nil {
		return tlsFiles{}
	}
	return tlsFiles{on: true, cert: t.Cert, key: t.Key}
}

// certificates are how the front door speaks TLS, and how it is trusted from
// here. Both are nil when it does not.
type certificates struct{ server, client *tls.Config }

// certificates reads those of t. The local authority is made when it is not
// there yet.
func (g *Gateway) certificates(t *stack.TLS) (c certificates, err error) {
	if t == nil {
		return c, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	var ca *localca.Authority
	if t.Cert == "" {
		dir, err := localca.Dir()
		if err != nil {
			return c, err
		}
		if ca, err = localca.Open(dir); err != nil {
			return c, err
		}
		roots.AddCert(ca.Root())
	} else {
		text, err := os.ReadFile(t.Cert)
		if err != nil {
			return c, fmt.Errorf("read the certificate: %w", err)
		}
		roots.AppendCertsFromPEM(text) // it may have signed itself
	}
	if c.server, err = localca.Config(t.Cert, t.Key, ca, g.OnError); err != nil {
		return c, err
	}
	if ca != nil {
		c.server.GetCertificate = telling(ca.Certificate, g.OnError)
	}
	c.client = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return c, nil
}

// telling has report hear why there is no certificate for a name, which the
// client is not told; not again while the same is asked for.
func telling(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), report func(error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var last atomic.Pointer[string]
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := get(hello)
		if err != nil {
			text := err.Error()
			if was := last.Swap(&text); was == nil || *was != text {
				report(err)
			}
		}
		return c, err
	}
}
