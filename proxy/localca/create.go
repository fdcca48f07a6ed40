package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// rootYears is how long an authority lasts; mkcert's.
const rootYears = 10

// backdate is how far clocks may differ, of containers and virtual machines say.
const backdate = time.Hour

// permittedDomains, with what is below them, and permittedRanges are all that
// the authority can vouch for (RFC 5280 §4.2.1.10), so that little is lost with
// its key. Nobody can own these names (RFC 6761); .internal is not among them,
// for clouds and companies resolve it to what is theirs.
var (
	permittedDomains = []string{"localhost", "test"}
	permittedRanges  = []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
)

// create makes an authority in dir, unless another process has.
func create(dir string) (a *Authority, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, lockName))
	if err := lock.Lock(); err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // nothing was written through it
	if a, err = load(dir); !errors.Is(err, errNone) {
		return a, err
	}
	keyFile := filepath.Join(dir, keyName)
	if _, err := os.Lstat(keyFile); err == nil {
		return nil, &FileError{Path: keyFile, Err: errors.New("the certificate is missing that belongs to it, " + certName)}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certDER, err := newRoot(key)
	if err != nil {
		return nil, err
	}
	if err := write(keyFile, "PRIVATE KEY", keyDER, 0o600); err != nil {
		return nil, err
	}
	if err := write(CertFile(dir), "CERTIFICATE", certDER, 0o644); err != nil {
		return nil, err
	}
	return load(dir)
}

func newRoot(key *ecdsa.PrivateKey) ([]byte, error) {
	now := time.Now()
	t := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"msctl"}, CommonName: rootName()},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(rootYears, 0, 0),
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// It vouches for servers alone: mail addresses and programs have no
		// name that the constraints would hold.
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         permittedDomains,
		PermittedIPRanges:           permittedRanges,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate: %w", err)
	}
	return der, nil
}

// rootName tells people whose authority it is, in a list of all that they trust.
func rootName() string {
	who, where := "user", "localhost"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		where = h
	}
	const most = 64 // ub-common-name, RFC 5280 appendix A.1
	name := []rune("msctl local CA " + who + "@" + where)
	return string(name[:min(len(name), most)])
}

// write makes a file whole or not at all.
func write(path, kind string, der []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = errors.Join(
		pem.Encode(f, &pem.Block{Type: kind, Bytes: der}),
		f.Sync(), // or the name may outlive a crash without its bytes
		f.Close(),
		os.Chmod(f.Name(), mode),
	)
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// parseRoot accepts what newRoot makes.
func parseRoot(text []byte) (*x509.Certificate, error) {
	der, err := only(text, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	switch now := time.Now(); {
	case root.CheckSignatureFrom(root) != nil, !slices.Equal(root.PermittedDNSDomains, permittedDomains), !root.MaxPathLenZero:
		return nil, fmt.Errorf("msctl did not make this certificate (%s)", root.Subject)
	case now.After(root.NotAfter):
		return nil, fmt.Errorf("the certificate ended on %s", root.NotAfter.Format(time.DateOnly))
	case now.Before(root.NotBefore):
		return nil, fmt.Errorf("the certificate begins only on %s; is the clock right?", root.NotBefore.Format(time.DateOnly))
	}
	return root, nil
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	der, err := only(text, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("msctl did not make this key (%T)", key)
	}
	return ec, nil
}

// only returns the bytes of the one PEM block that text is.
func only(text []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("want one whole PEM block, %s", kind)
	}
	return block.Bytes, nil
}
