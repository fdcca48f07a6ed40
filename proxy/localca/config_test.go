package localca

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// files are a certificate and a key as users have them.
type files struct{ cert, key string }

// put writes a new pair for localhost, and returns the certificate's serial number.
func (f files) put(t *testing.T) string {
	t.Helper()
	a := open(t, t.TempDir())
	c, err := a.Certificate(&tls.ClientHelloInfo{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.leafKey)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	f.write(t, f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return c.Leaf.SerialNumber.String()
}

func (files) write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// seen is the serial number of what a server with this configuration shows.
func seen(t *testing.T, c *tls.Config) string {
	t.Helper()
	state, err := handshake(t, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}, c)
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

func TestFilesAreReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		f := files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
		first := f.put(t)
		var reported []error
		c, err := Config(f.cert, f.key, nil, func(err error) { reported = append(reported, err) })
		if err != nil {
			t.Fatal(err)
		}
		if got := seen(t, c); got != first {
			t.Fatalf("the server shows %s, want %s", got, first)
		}

		second := f.put(t)
		if got := seen(t, c); got != first {
			t.Error("the files were looked at twice in a second")
		}
		<-time.After(reloadCheck)
		if got := seen(t, c); got != second {
			t.Errorf("the server shows %s after a change, want %s", got, second)
		}

		f.write(t, f.cert, []byte("torn"))
		for range 3 {
			<-time.After(reloadCheck)
			if got := seen(t, c); got != second {
				t.Errorf("the server shows %s while the file is broken, want %s as before", got, second)
			}
		}
		if len(reported) != 1 || !strings.Contains(reported[0].Error(), f.cert) {
			t.Errorf("reported %v, want one error that names the file", reported)
		}

		if err := os.Remove(f.key); err != nil {
			t.Fatal(err)
		}
		<-time.After(reloadCheck)
		if got := seen(t, c); got != second || len(reported) != 2 {
			t.Errorf("the server shows %s without a key, and reported %v", got, reported)
		}

		third := f.put(t)
		<-time.After(reloadCheck)
		if got := seen(t, c); got != third {
			t.Errorf("the server shows %s once the files are whole again, want %s", got, third)
		}
	})
}

func TestFilesThatDoNotLoad(t *testing.T) {
	dir := t.TempDir()
	f := files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	f.put(t)
	f.write(t, f.key, []byte("no key"))
	if _, err := Config(f.cert, f.key, nil, nil); err == nil || !strings.Contains(err.Error(), f.key) {
		t.Errorf("Config: %v, want an error that names the file", err)
	}
}

func TestProtocols(t *testing.T) {
	a := open(t, t.TempDir())
	server := config(t, a)
	for _, offer := range []string{"h2", "http/1.1"} {
		client := trusting(a, "localhost")
		client.NextProtos = []string{offer}
		state, err := handshake(t, client, server)
		if err != nil || state.NegotiatedProtocol != offer {
			t.Errorf("offered %s, got %q, %v", offer, state.NegotiatedProtocol, err)
		}
	}
	for version, ok := range map[uint16]bool{tls.VersionTLS13: true, tls.VersionTLS12: true, tls.VersionTLS11: false} {
		client := trusting(a, "localhost")
		client.MinVersion, client.MaxVersion = tls.VersionTLS10, version
		if _, err := handshake(t, client, server); (err == nil) != ok {
			t.Errorf("%s: %v, want ok %v", tls.VersionName(version), err, ok)
		}
	}
}
