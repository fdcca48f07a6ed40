package policy

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/msctl/msctl/stack"
)

// keyServer publishes a JWK set.
type keyServer struct {
	url     string
	set     atomic.Pointer[[]byte] // nil: 503
	fetches atomic.Int64
}

func serveKeys(t *testing.T) *keyServer {
	t.Helper()
	s := &keyServer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.fetches.Add(1)
		set := s.set.Load()
		if set == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(*set)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func encodeKeys(signers ...signer) []byte {
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, s.public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err) // keys always encode
	}
	return text
}

func (s *keyServer) publish(signers ...signer) {
	set := encodeKeys(signers...)
	s.set.Store(&set)
}

// clock is moved by hand.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time       { return time.Unix(1_800_000_000, c.ns.Load()) }
func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }

func TestKeysRotate(t *testing.T) {
	server, now := serveKeys(t), &clock{}
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url}}, Options{Now: now.now})
	old, young, other := newSigner(t, "old", jose.ES256), newSigner(t, "young", jose.EdDSA), newSigner(t, "other", jose.EdDSA)
	check := func(s signer, want int, fetches int64) {
		t.Helper()
		a := p.Check(t.Context(), bearing(s.token(t, nil)))
		if status(a) != want {
			t.Errorf("%s: got %d, want %d", s.kid, status(a), want)
		}
		if n := server.fetches.Load(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", s.kid, n, fetches)
		}
	}
	if server.fetches.Load() != 0 {
		t.Error("fetched before the first token")
	}
	check(old, 503, 1)
	server.publish(old)
	check(old, 503, 1) // so soon it is not asked again
	now.pass(keysRetry)
	check(old, 0, 2)
	check(young, 401, 2)
	server.publish(old, young)
	now.pass(keysPause - 1)
	check(young, 401, 2)
	check(old, 0, 2)
	now.pass(1)
	check(young, 0, 3)
	check(other, 401, 3)

	now.pass(keysLifetime)
	server.publish(young)
	check(old, 401, 4) // it was taken back
	server.set.Store(nil)
	now.pass(keysLifetime)
	check(young, 0, 5) // it stays while nobody says otherwise
	check(young, 0, 5)
	check(other, 503, 5)
}

func TestKeysAreFetchedOnce(t *testing.T) {
	server := serveKeys(t)
	s := newSigner(t, "k1", jose.ES256)
	server.publish(s)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url}}, Options{})
	h := bearing(s.token(t, nil))
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if a := p.Check(t.Context(), h); a != nil {
				t.Error(a.Problem.Detail)
			}
		})
	}
	callers.Wait()
	if n := server.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestKeysInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	a, b := newSigner(t, "a", jose.ES256), newSigner(t, "b", jose.ES256)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: file}}, Options{})
	check := func(step string, s signer, want int) {
		t.Helper()
		if got := status(p.Check(t.Context(), bearing(s.token(t, nil)))); got != want {
			t.Errorf("%s: got %d, want %d", step, got, want)
		}
	}
	// write takes the file's place, so that it is seen to be another whatever
	// the grain of its time.
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	check("without a file", a, 503)
	write(encodeKeys(a))
	check("with one", a, 0)
	check("of a key that is not in it", b, 401)
	write(encodeKeys(b))
	check("of a key that now is", b, 0)
	check("of one that no longer is", a, 401)
	write([]byte("{"))
	check("once the file is broken", b, 0)
	check("of an unknown key then", a, 503)
	write(encodeKeys(a, b))
	check("once it is right again", a, 0)
}

func TestUnreadableKeys(t *testing.T) {
	s := newSigner(t, "k1", jose.ES256)
	answer := func(text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	listener.Close()
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: s.key, KeyID: "k1"},
		{Key: []byte("a secret of more than 32 bytes, for HMAC"), KeyID: "k1"},
		{Key: s.key.Public(), KeyID: "k1", Use: "enc"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{
		answer("<html>"):                           "no JWK set",
		answer(`{"keys":[]}`):                      "no public key",
		answer(string(private)):                    "no public key",
		answer(`{"keys":[{"kty":"new"},{}]}`):      "no public key",
		answer(strings.Repeat(" ", keysSize+1)):    "larger than",
		serveKeys(t).url:                           "503",
		closed:                                     "connect",
		filepath.Join(t.TempDir(), "nothing.json"): "nothing.json",
	} {
		p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: where}}, Options{})
		a := p.Check(t.Context(), bearing(s.token(t, nil)))
		if status(a) != 503 || !strings.Contains(a.Problem.Detail, want) || !strings.Contains(a.Problem.Detail, where) {
			t.Errorf("%s: got %+v, want %q", where, a, want)
		}
	}
}

func TestThePasswordOfTheKeysIsNotTold(t *testing.T) {
	u := strings.Replace(serveKeys(t).url, "//", "//anna:secret@", 1)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: u}}, Options{})
	a := p.Check(t.Context(), bearing(newSigner(t, "k1", jose.ES256).token(t, nil)))
	if status(a) != 503 || strings.Contains(a.Problem.Detail, "secret") {
		t.Errorf("got %+v", a.Problem)
	}
}

// Keys that are not understood hide none that are.
func TestOtherKeysInTheSet(t *testing.T) {
	server := serveKeys(t)
	s := newSigner(t, "k1", jose.ES256)
	set := []byte(strings.Replace(string(encodeKeys(s)), `"keys":[`, `"keys":[{"kty":"OKP","crv":"X25519","x":"AA","kid":"k1"},{"kty":"new","kid":"k1"},`, 1))
	server.set.Store(&set)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url}}, Options{})
	if a := p.Check(t.Context(), bearing(s.token(t, nil))); a != nil {
		t.Error(a.Problem.Detail)
	}
}

// A key that names its algorithm signs by no other (RFC 7517 §4.4).
func TestKeyForOneAlgorithm(t *testing.T) {
	server := serveKeys(t)
	s := newSigner(t, "k1", jose.RS256)
	set := []byte(strings.Replace(string(encodeKeys(s)), `"keys":[{`, `"keys":[{"alg":"RS256",`, 1))
	server.set.Store(&set)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url}}, Options{})
	for alg, want := range map[jose.SignatureAlgorithm]int{jose.RS256: 0, jose.RS512: 401, jose.PS256: 401} {
		s.alg = alg
		if a := p.Check(t.Context(), bearing(s.token(t, nil))); status(a) != want {
			t.Errorf("%s: got %+v, want %d", alg, a, want)
		}
	}
}

// A client that leaves while the keys are fetched spoils them for nobody.
func TestClientLeavesDuringTheFetch(t *testing.T) {
	s := newSigner(t, "k1", jose.ES256)
	asked, gone := make(chan struct{}, 1), make(chan struct{})
	var fetches atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fetches.Add(1) == 1 {
			asked <- struct{}{}
			<-r.Context().Done()
			close(gone)
			return
		}
		_, _ = w.Write(encodeKeys(s))
	}))
	defer server.Close()
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.URL}}, Options{})
	h := bearing(s.token(t, nil))
	ctx, leave := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() {
		if a := p.Check(ctx, h); status(a) != 503 {
			t.Errorf("who left got %+v", a)
		}
	})
	<-asked
	second, stop := context.WithCancel(t.Context())
	stop()
	if a := p.Check(second, h); status(a) != 503 {
		t.Errorf("who left while waiting got %+v", a)
	}
	leave()
	first.Wait()
	<-gone
	if a := p.Check(t.Context(), h); a != nil {
		t.Errorf("who came next: %s", a.Problem.Detail)
	}
}
