package http1

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/wire/wiretest"
)

// certified is a certificate that nobody has to believe.
func certified(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// mirror is an instance that answers with the body that it got, framed in the
// same way.
func mirror(t testing.TB) string {
	t.Helper()
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(q.Body)
			if err != nil {
				return
			}
			res := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: q.ContentLength, TransferEncoding: q.TransferEncoding}
			if res.Write(c) != nil {
				return
			}
		}
	})
}

// Bodies are what they were, however they are moved: copied, by the kernel,
// through TLS, as chunks.
func TestLargeBodiesPassBothWays(t *testing.T) {
	addr := mirror(t)
	for _, secure := range []bool{false, true} {
		for _, size := range []int{1, smallBuffer, bufferSize - 1, bufferSize, spliceFrom - 1, spliceFrom, spliceAt + 1, 1<<20 + 1} {
			t.Run(fmt.Sprintf("TLS %v, %d bytes", secure, size), func(t *testing.T) {
				var s setting
				if secure {
					s.tls = certified(t)
				}
				l := s.serve(t, &wiretest.Door{}, addr)
				p := l.dial()
				if secure {
					p = l.peer(tls.Client(p.Conn, &tls.Config{InsecureSkipVerify: true}))
				}
				body := make([]byte, size)
				_, _ = rand.Read(body)
				for range 2 {
					for _, length := range []int64{int64(size), -1} {
						q, _ := http.NewRequestWithContext(t.Context(), "POST", "http://a/", bytes.NewReader(body))
						q.ContentLength = length
						sent := make(chan error, 1)
						go func() { sent <- q.Write(p.Conn) }()
						res, err := http.ReadResponse(p.in, q)
						if err != nil {
							t.Fatal(err)
						}
						sum := sha256.New()
						n, err := io.Copy(sum, res.Body)
						if want := sha256.Sum256(body); err != nil || n != int64(size) || !bytes.Equal(sum.Sum(nil), want[:]) || res.ContentLength != length {
							t.Errorf("%d bytes of another body, %v", n, err)
						}
						if err := <-sent; err != nil {
							t.Error(err)
						}
						if o := l.outcome(); o.Err != nil || length > 0 && (o.Sent != length || o.Received != length) {
							t.Errorf("%+v", o)
						}
					}
				}
			})
		}
	}
}
