package policy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/msctl/msctl/proxy/wire"
)

// basic is the Basic scheme (RFC 7617).
type basic struct {
	known [][sha256.Size]byte // of user:password
}

func newBasic(users map[string]string) (*basic, error) {
	if len(users) == 0 {
		return nil, nil // everybody may come
	}
	b := &basic{}
	for user, password := range users {
		if user == "" {
			return nil, errors.New("a user without a name")
		}
		if strings.Contains(user, ":") { // RFC 7617 §2
			return nil, fmt.Errorf("user %q has a colon", user)
		}
		b.known = append(b.known, sha256.Sum256([]byte(user+":"+password)))
	}
	return b, nil
}

func (b *basic) check(h *wire.Head) *wire.Answer {
	if b == nil {
		return nil
	}
	detail := "this route asks for a user and password (basic_auth)"
	if field := h.Header.Get("Authorization"); field != "" {
		detail = "the Authorization field has no credentials of the Basic scheme"
		if given, ok := basicCredentials(field); ok {
			if b.knows(given) {
				return nil
			}
			detail = "the user is unknown or the password wrong"
		}
	}
	return refuse(http.StatusUnauthorized, detail, "WWW-Authenticate", `Basic realm="msctl", charset="UTF-8"`)
}

// knows takes as long for a wrong password as for an unknown user.
func (b *basic) knows(given []byte) bool {
	sum := sha256.Sum256(given)
	found := 0
	for n := range b.known {
		found |= subtle.ConstantTimeCompare(b.known[n][:], sum[:])
	}
	return found == 1
}

// basicCredentials is user:password of an Authorization field.
func basicCredentials(field string) ([]byte, bool) {
	token, ok := credentials(field, "Basic")
	if !ok {
		return nil, false
	}
	// Padding is the rule (RFC 4648 §3.2), and forgotten often.
	given, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(token, "="))
	return given, err == nil
}

// credentials is what follows the scheme in an Authorization field (RFC 9110
// §11.4). A decoder of base64 would pass over line breaks.
func credentials(field, scheme string) (string, bool) {
	name, rest, _ := strings.Cut(field, " ")
	rest = strings.Trim(rest, " ")
	return rest, strings.EqualFold(name, scheme) && rest != "" && !strings.ContainsAny(rest, " \r\n")
}
