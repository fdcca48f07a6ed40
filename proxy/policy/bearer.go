package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // minds case, and takes no name twice
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/msctl/msctl/proxy/wire"
	"github.com/msctl/msctl/stack"
)

// leeway is how far the clock of a token's issuer may be off; Envoy's
// clock_skew_seconds.
const leeway = time.Minute

// algorithms are those of public keys (RFC 7518 §3.1, RFC 8037). Neither "none"
// nor HMAC, whose key would be one that everybody can read, is ever taken.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// bearer lets through who has a token (RFC 6750, RFC 7519).
type bearer struct {
	issuer, audience string // "" any
	claims           []claim
	keys             *keySet
	now              func() time.Time
}

// claim goes to the service in a header.
type claim struct{ name, header string }

func newBearer(c *stack.JWT, o Options) (*bearer, error) {
	if c == nil || c.JWKS == "" {
		return nil, nil // everybody may come
	}
	keys, err := newKeySet(c.JWKS, o)
	if err != nil {
		return nil, err
	}
	b := &bearer{issuer: c.Issuer, audience: c.Audience, keys: keys, now: o.Now}
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		b.claims = append(b.claims, claim{name, c.Claims[name]})
	}
	return b, nil
}

// headers are those in which claims go to the service. What a client sends in
// them never does.
func (b *bearer) headers() []string {
	if b == nil {
		return nil
	}
	var names []string
	for _, c := range b.claims {
		names = append(names, c.header)
	}
	return names
}

func (b *bearer) check(ctx context.Context, h *wire.Head) *wire.Answer {
	if b == nil {
		return nil
	}
	token, ok := credentials(h.Header.Get("Authorization"), "Bearer")
	if !ok { // the challenge says no more than that (RFC 6750 §3.1)
		return refuse(http.StatusUnauthorized, "this route asks for a token: Authorization: Bearer … (jwt)",
			"WWW-Authenticate", `Bearer realm="msctl"`)
	}
	err := b.verify(ctx, token)
	var no *unreadable
	switch {
	case err == nil:
		return nil
	case errors.As(err, &no):
		return refuse(http.StatusServiceUnavailable, err.Error())
	}
	return refuse(http.StatusUnauthorized, err.Error(), "WWW-Authenticate", `Bearer realm="msctl", error="invalid_token"`)
}

// verify says what is wrong with a token, or that its keys are *unreadable.
func (b *bearer) verify(ctx context.Context, token string) error {
	parsed, err := jose.ParseSignedCompact(token, algorithms())
	var other *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &other):
		return fmt.Errorf("the token is signed by %q, which is none of the algorithms of public keys", clip(string(other.Got)))
	case err != nil:
		return errors.New("the token is not a signed JWT in its compact form")
	}
	head := parsed.Signatures[0].Header // the compact form has one
	keys, err := b.keys.find(ctx, head.KeyID, head.Algorithm)
	if err != nil {
		return err
	}
	for _, key := range keys {
		payload, err := parsed.Verify(key.Key)
		if err != nil {
			continue // not of this key, or the key is for other algorithms
		}
		var claims jwt.Claims
		if json.Unmarshal(payload, &claims) != nil {
			return errors.New("the token's claims cannot be read")
		}
		return b.accept(&claims)
	}
	return fmt.Errorf("the token's signature is not of the key %q", clip(head.KeyID))
}

// accept looks at the claims of a token whose signature is right (RFC 7519
// §4.1).
func (b *bearer) accept(c *jwt.Claims) error {
	now := b.now()
	switch {
	case c.Expiry != nil && !now.Before(c.Expiry.Time().Add(leeway)):
		return fmt.Errorf("the token expired %s ago", about(now.Sub(c.Expiry.Time())))
	case c.NotBefore != nil && now.Before(c.NotBefore.Time().Add(-leeway)):
		return fmt.Errorf("the token is valid only in %s", about(c.NotBefore.Time().Sub(now)))
	case b.issuer != "" && c.Issuer != b.issuer:
		return fmt.Errorf("the token was issued by %q, and this route wants %q", clip(c.Issuer), b.issuer)
	case b.audience != "" && !c.Audience.Contains(b.audience):
		return fmt.Errorf("the token is for the audience %q, and this route wants %q", clip(strings.Join(c.Audience, " ")), b.audience)
	}
	return nil
}

// append adds the claims of a token that check let pass: texts as they are,
// all else as JSON. What is no field value (RFC 9110 §5.5) is left out.
func (b *bearer) append(fields []wire.Field, authorization string) []wire.Field {
	if len(b.claims) == 0 {
		return fields
	}
	token, _ := credentials(authorization, "Bearer")
	parsed, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil {
		return fields
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &claims) != nil {
		return fields
	}
	for _, c := range b.claims {
		if value, ok := text(claims[c.name]); ok {
			fields = append(fields, wire.Field{Name: c.header, Value: value})
		}
	}
	return fields
}

// text is a claim as a field's value.
func text(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return "", false
		}
		s = b.String()
	}
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return s, !strings.ContainsFunc(s, control)
}

// about is d as people say it.
func about(d time.Duration) string {
	if d >= time.Minute {
		return short(d.Truncate(time.Minute))
	}
	return d.Truncate(time.Second).String()
}

// clip bounds what is said of a text that a stranger wrote.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
