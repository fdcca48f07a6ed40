package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// signer is a key that signs tokens.
type signer struct {
	kid string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func newSigner(t *testing.T, kid string, alg jose.SignatureAlgorithm) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, alg, key}
}

func (s signer) public() jose.JSONWebKey { return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.kid} }

// token is a signed one; without a kid when the signer has none.
func (s signer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return s.sign(t, payload)
}

func (s signer) sign(t *testing.T, payload []byte) string {
	t.Helper()
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := by.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func bearing(token string) *wire.Head { return request("GET", "Authorization", "Bearer "+token) }

func TestEveryAlgorithm(t *testing.T) {
	server := serveKeys(t)
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url}}, Options{})
	rsaKey := newSigner(t, "", jose.RS256).key
	var signers []signer
	for _, alg := range algorithms() {
		s := signer{"key " + string(alg), alg, rsaKey}
		if alg[0] == 'E' {
			s = newSigner(t, s.kid, alg)
		}
		signers = append(signers, s)
	}
	server.publish(signers...)
	for _, s := range signers {
		if a := p.Check(t.Context(), bearing(s.token(t, nil))); a != nil {
			t.Errorf("%s: %s", s.alg, a.Problem.Detail)
		}
		forged := newSigner(t, s.kid, s.alg)
		if a := p.Check(t.Context(), bearing(forged.token(t, nil))); status(a) != 401 || !strings.Contains(a.Problem.Detail, "signature") {
			t.Errorf("%s by another key: got %+v", s.alg, a)
		}
	}
	if n := server.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestTokens(t *testing.T) {
	server := serveKeys(t)
	s := newSigner(t, "k1", jose.ES256)
	server.publish(s)
	now := time.Unix(1_800_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: server.url, Issuer: "me", Audience: "shop"}}, Options{Now: func() time.Time { return now }})
	with := func(name string, value any) string {
		claims := map[string]any{"iss": "me", "aud": "shop"}
		claims[name] = value
		return s.token(t, claims)
	}
	good := with("sub", "anna")
	payload := strings.Split(good, ".")[1]
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k1"}`)) + "." + payload + "."
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: make([]byte, 32), KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := hmac.Sign([]byte(`{"iss":"me","aud":"shop"}`))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := symmetric.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	wrongCurve := newSigner(t, "k1", jose.ES384)
	nameless := signer{"", s.alg, s.key}
	for _, c := range []struct{ name, field, want string }{
		{"good", "Bearer " + good, ""},
		{"any case", "bEARER  " + good, ""},
		{"one of its audiences", "Bearer " + with("aud", []string{"other", "shop"}), ""},
		{"not yet expired", "Bearer " + with("exp", at(time.Second)), ""},
		{"expired within the leeway", "Bearer " + with("exp", at(-59*time.Second)), ""},
		{"valid within the leeway", "Bearer " + with("nbf", at(59*time.Second)), ""},
		{"without a key's name", "Bearer " + nameless.token(t, map[string]any{"iss": "me", "aud": "shop"}), ""},

		{"none", "", "asks for a token"},
		{"of another scheme", "Basic " + good, "asks for a token"},
		{"no text", "Bearer ", "asks for a token"},
		{"two", "Bearer " + good + " " + good, "asks for a token"},
		{"no token", "Bearer abc", "not a signed JWT"},
		{"of five parts", "Bearer a.b.c.d.e", "not a signed JWT"},
		{"just expired", "Bearer " + with("exp", at(-time.Minute)), "expired 1m ago"},
		{"expired", "Bearer " + with("exp", at(-200*time.Second)), "expired 3m ago"},
		{"expired long ago", "Bearer " + with("exp", at(-2*time.Hour)), "expired 2h ago"},
		{"not yet valid", "Bearer " + with("nbf", at(90*time.Second)), "valid only in 1m"},
		{"soon valid", "Bearer " + with("nbf", at(61*time.Second)), "valid only in 1m"},
		{"of a talkative issuer", "Bearer " + with("iss", strings.Repeat("x", 1000)), `xxx…", and`},
		{"a date that is none", "Bearer " + with("exp", "soon"), "claims cannot be read"},
		{"claims that are none", "Bearer " + s.sign(t, []byte(`"text"`)), "claims cannot be read"},
		{"another's", "Bearer " + with("iss", "you"), `issued by "you", and this route wants "me"`},
		{"for another", "Bearer " + with("aud", "bank"), `for the audience "bank", and this route wants "shop"`},
		{"for nobody", "Bearer " + with("aud", []string{}), `for the audience "", and`},
		{"of an unknown key", "Bearer " + newSigner(t, "k2", jose.ES256).token(t, nil), `names the key "k2"`},
		{"changed", "Bearer " + strings.Replace(good, payload, base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"me","aud":"shop","sub":"root"}`)), 1), "signature"},
		{"by another algorithm than its key's", "Bearer " + wrongCurve.token(t, nil), "signature"},
		{"not signed", "Bearer " + unsigned, `signed by "none"`},
		{"by a secret", "Bearer " + secret, `signed by "HS256"`},
	} {
		a := p.Check(t.Context(), request("GET", "Authorization", c.field))
		if c.want == "" {
			if a != nil {
				t.Errorf("%s: %s", c.name, a.Problem.Detail)
			}
			continue
		}
		if status(a) != 401 || !strings.Contains(a.Problem.Detail, c.want) {
			t.Errorf("%s: got %+v, want %q", c.name, a, c.want)
			continue
		}
		challenge := `Bearer realm="msctl"`
		if !strings.Contains(c.want, "asks for") {
			challenge += `, error="invalid_token"`
		}
		if got := value(t, a, "WWW-Authenticate"); got != challenge {
			t.Errorf("%s: the challenge is %s", c.name, got)
		}
	}
}

func TestClaimsGoToTheService(t *testing.T) {
	server := serveKeys(t)
	s := newSigner(t, "k1", jose.EdDSA)
	server.publish(s)
	p := compile(t, stack.Policies{
		JWT: &stack.JWT{JWKS: server.url, Claims: map[string]string{
			"sub": "X-User", "roles": "X-Roles", "n": "X-N", "admin": "X-Admin", "absent": "X-Absent", "nil": "X-Nil", "evil": "X-Evil",
		}},
		RequestHeaders: stack.HeaderRules{Remove: []string{"Cookie"}},
	}, Options{})
	h := bearing(s.token(t, map[string]any{
		"sub": "zoë", "roles": []string{"a", "b c"}, "n": json.Number("12345678901234567890"), "admin": true, "nil": nil, "evil": "a\r\nX-User: root",
	}))
	if a := p.Check(t.Context(), h); a != nil {
		t.Fatal(a.Problem.Detail)
	}
	var got wire.Terms
	p.Terms(h, &got)
	if diff := cmp.Diff([]wire.Field{
		{Name: "X-Admin", Value: "true"},
		{Name: "X-N", Value: "12345678901234567890"},
		{Name: "X-Roles", Value: `["a","b c"]`},
		{Name: "X-User", Value: "zoë"},
	}, got.LateRequest); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want := []string{"Cookie", "X-Absent", "X-Admin", "X-Evil", "X-N", "X-Nil", "X-Roles", "X-User"}
	if diff := cmp.Diff(want, got.Request.Remove); diff != "" {
		t.Errorf("what a client may not send: -want +got:\n%s", diff)
	}
}

// A preflight goes to a service that answers it itself, without a token; and a
// forged token that comes with it goes nowhere.
func TestPreflightNeedsNoToken(t *testing.T) {
	p := compile(t, stack.Policies{JWT: &stack.JWT{JWKS: "http://127.0.0.1:1/", Claims: map[string]string{"sub": "X-User"}}}, Options{})
	forged := newSigner(t, "k1", jose.EdDSA).token(t, map[string]any{"sub": "root"})
	h := request("OPTIONS", "Origin", "https://a.test", "Access-Control-Request-Method", "PUT", "Authorization", "Bearer "+forged)
	if a := p.Check(t.Context(), h); a != nil {
		t.Fatalf("got %+v", a)
	}
	var got wire.Terms
	p.Terms(h, &got)
	if len(got.LateRequest) != 0 || cmp.Diff([]string{"X-User"}, got.Request.Remove) != "" {
		t.Errorf("got %+v", got)
	}
}

func FuzzToken(f *testing.F) {
	p := compile(f, stack.Policies{JWT: &stack.JWT{JWKS: f.TempDir() + "/none", Claims: map[string]string{"a": "X-A"}}}, Options{})
	encode := base64.RawURLEncoding.EncodeToString
	f.Add("Bearer " + encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(`{"a":"\n"}`)) + ".AAAA")
	f.Add("Bearer " + encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"a":[1, 2]}`)) + ".")
	f.Add("Bearer ...")
	f.Fuzz(func(t *testing.T, field string) {
		h := request("GET", "Authorization", field)
		if a := p.Check(t.Context(), h); a == nil {
			t.Errorf("%q passed without a key", field)
		}
		var terms wire.Terms
		p.Terms(h, &terms)
		for _, late := range terms.LateRequest {
			if strings.ContainsAny(late.Value, "\r\n\x00") {
				t.Errorf("%q makes the field %q", field, late.Value)
			}
		}
	})
}
