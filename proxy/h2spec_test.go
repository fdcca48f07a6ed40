package proxy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/msctl/msctl/registry"
)

// h2case is one check of HTTP/2, numbered as h2spec 2.6 numbers it, which is by
// the sections of RFC 7540 and 7541; a letter is one that h2spec has not.
type h2case struct {
	name string
	send func(*h2)
	want finding
	// silent ones are not followed by a PING: it would break the rule as well,
	// or come back before what counts.
	silent bool
}

// deviations are why the gateway does not do what a case wants. The test fails
// once it does.
func deviations() map[string]string {
	const (
		later     = "net/http fails with PROTOCOL_ERROR, as RFC 9113 §5.1.1 has it for a number that was used"
		answered  = "net/http answers 400 and ends the stream, which RFC 9113 §8.1.1 lets it do"
		tolerated = "net/http takes it"
	)
	return map[string]string{
		"http2/5.1/9":     later,
		"http2/5.1/11":    "net/http resets the stream: STREAM_CLOSED, for the stream alone",
		"http2/5.1/12":    later,
		"http2/6.2/4":     "net/http resets the stream alone, and cannot decode what comes after the block that it skipped",
		"http2/6.5.3/1":   "net/http takes a setting that comes twice for a PROTOCOL_ERROR",
		"http2/8.1.2/g":   tolerated,
		"http2/8.1.2/h":   tolerated,
		"http2/8.1.2.2/1": answered,
		"http2/8.1.2.2/2": answered,
		"http2/8.1.2.2/a": answered,
		"http2/8.1.2.2/b": answered,
		"http2/8.1.2.2/c": answered,
		"http2/8.1.2.2/d": answered,
		"http2/8.1.2.3/c": "the transport to the instance refuses it, and it is answered with 502",
		"http2/8.1.2.3/e": "it is written into the request line as it is, for the instance to refuse",
		"http2/8.1.2.3/g": "net/http takes it, and drops host",
		"http2/8.1.2.6/a": "net/http takes it, and drops content-length",
		"http2/8.1.2.6/b": "net/http takes it, and drops content-length",
		"http2/8.1.2.6/c": "net/http takes it, and drops content-length",
		"http2/8.1.2.6/d": "the request is answered with 400 once its body breaks off",
		"http2/8.1.2.6/e": "the request is answered with 400 once its body breaks off",
	}
}

func TestHTTP2AsH2Spec(t *testing.T) {
	w := begin(t, declare(t, service("api"), service("held")), Options{Hold: 10 * patience})
	w.put("api-1", upstream(t, tell), registry.Ready)
	w.put("held-1", nobody(t), registry.Starting)
	deviates := deviations()
	for _, c := range slices.Concat(
		generic(), genericHPACK(), hpackErrors(), connections(), streams(), frames(), settingsFrames(), windows(), continuations(), messages(),
	) {
		number, _, _ := strings.Cut(c.name, " ")
		why, known := deviates[number]
		delete(deviates, number)
		t.Run(c.name, func(t *testing.T) {
			switch err := c.look(dialH2(t, w.Addr())); {
			case !known && err != nil:
				t.Error(err)
			case known && err == nil:
				t.Errorf("it is as it should be, and no longer deviates because %s", why)
			}
		})
	}
	for number := range deviates {
		t.Errorf("no case has the number %s", number)
	}
	// A connection that failed lives on for a second, even when the client has
	// closed it. Once the last is gone, so are those before.
	h := dialH2(t, w.Addr())
	h.preface()
	h.get(0)
	if err := ends(h); err != nil {
		t.Error(err)
	}
}

// look is what is wrong with the gateway's reaction.
func (c h2case) look(h *h2) error {
	c.send(h)
	if !c.silent {
		h.WritePing(false, [8]byte{})
	}
	return c.want(h)
}

// tell answers with what it was asked, "POST /a body x-spec-a=1 x-spec-t=2".
func tell(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	said := []string{r.Method, r.URL.Path}
	if len(body) > 0 {
		said = append(said, string(body))
	}
	var fields []string
	for _, of := range []http.Header{r.Header, r.Trailer} {
		for name, values := range of {
			if strings.HasPrefix(name, "X-Spec-") {
				fields = append(fields, strings.ToLower(name)+"="+strings.Join(values, ","))
			}
		}
	}
	slices.Sort(fields)
	_, _ = io.WriteString(w, strings.Join(append(said, fields...), " "))
}
