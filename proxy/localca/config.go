package localca

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// reloadCheck is how often the user's files are looked at, at most.
const reloadCheck = time.Second

// Config is how a server speaks TLS: with the certificate and key in the PEM
// files named, which are read anew when they change, or with ca's certificates
// when cert is "". A change that cannot be used is told to report, once, and
// the pair before it stays; report is called during a handshake and must
// return soon.
func Config(cert, key string, ca *Authority, report func(error)) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if cert == "" {
		c.GetCertificate = ca.Certificate
		return c, nil
	}
	p := &pair{cert: cert, key: key, report: report}
	if err := p.load(); err != nil {
		return nil, err
	}
	c.GetCertificate = p.certificate
	return c, nil
}

// pair is a certificate and its key in the user's files.
type pair struct {
	cert, key string
	report    func(error)

	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // of the one that looks at the files; others do not wait for it
	checked time.Time
	read    [2]stamp // of what was read last, usable or not
}

func (p *pair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if p.mu.TryLock() {
		defer p.mu.Unlock()
		if time.Since(p.checked) >= reloadCheck && p.stamps() != p.read {
			if err := p.load(); err != nil {
				p.report(err)
			}
		}
	}
	return p.current.Load(), nil
}

// load reads the files. What they were is noted first, so that a change while
// they are read is seen as one.
func (p *pair) load() error {
	p.read = p.stamps()
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("load the certificate %s and the key %s: %w", p.cert, p.key, err)
	}
	p.current.Store(&c)
	return nil
}

// stamps are what tells a changed file; zero for one that is not there.
func (p *pair) stamps() (s [2]stamp) {
	p.checked = time.Now()
	for i, file := range []string{p.cert, p.key} {
		if info, err := os.Stat(file); err == nil {
			s[i] = stamp{info.ModTime().UnixNano(), info.Size()}
		}
	}
	return s
}

type stamp struct{ modified, size int64 }
