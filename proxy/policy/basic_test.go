package policy

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/msctl/msctl/stack"
)

func TestBasicAuth(t *testing.T) {
	p := compile(t, stack.Policies{BasicAuth: map[string]string{"anna": "secret", "zoë": "a:b", "free": ""}}, Options{})
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for field, want := range map[string]int{
		"Basic " + encode("anna:secret"):                         0,
		"basic   " + encode("anna:secret") + " ":                 0,
		"Basic " + encode("zoë:a:b"):                             0,
		"Basic " + encode("free:"):                               0,
		"Basic " + strings.TrimRight(encode("anna:secret"), "="): 0,
		"Basic " + encode("anna:Secret"):                         401,
		"Basic " + encode("anna:secret "):                        401,
		"Basic " + encode("anna"):                                401,
		"Basic " + encode("free"):                                401,
		"Basic " + encode("zoe:secret"):                          401,
		"Basic " + encode(""):                                    401,
		"Basic \n" + encode("anna:secret"):                       401,
		"Basic":                                                  401,
		"Basic !":                                                401,
		"Bearer " + encode("anna:secret"):                        401,
		encode("anna:secret"):                                    401,
		"":                                                       401,
	} {
		a := p.Check(t.Context(), request("GET", "authorization", field))
		if status(a) != want {
			t.Errorf("%q: got %d, want %d", field, status(a), want)
		}
		if a == nil {
			continue
		}
		if got := value(t, a, "WWW-Authenticate"); got != `Basic realm="msctl", charset="UTF-8"` {
			t.Errorf("%q: the challenge is %s", field, got)
		}
		if strings.Contains(strings.ToLower(a.Problem.Detail), "secret") {
			t.Errorf("%q: %s", field, a.Problem.Detail)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"", "Basic", "Basic YTpi", "basic  YTpi==", "Basic YTpi YTpi", "Bearer a.b.c", "Basic \xff", "BAsiC \n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		given, ok := basicCredentials(field)
		if ok && len(given) == 0 && !strings.Contains(field, "=") {
			t.Errorf("%q has nothing, and is right", field)
		}
		if ok {
			again, ok := basicCredentials("Basic " + base64.StdEncoding.EncodeToString(given))
			if len(given) > 0 && (!ok || string(again) != string(given)) {
				t.Errorf("%q is %q, and that encoded is %q", field, given, again)
			}
		}
		if token, ok := credentials(field, "Bearer"); ok && (token == "" || strings.Contains(token, " ")) {
			t.Errorf("%q has the token %q", field, token)
		}
	})
}
