package admin

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// tryPath sends a request through the front door for the docs page, which is
// of another origin.
const tryPath = root + "try"

// tokenHeader has the page's token. A field of this name also makes a browser
// ask before it sends the request across origins, and nothing here says yes.
const tokenHeader = "X-Msctl-Token"

// Bounds of a try.
const (
	tryTimeout  = 30 * time.Second
	maxTry      = 1 << 20 // bytes of what the page sends
	maxResponse = 1 << 20 // bytes of a response that are shown
)

// attempt is a request to the front door. The field Host of Headers is the
// host to ask for.
type attempt struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with the query
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// response is what came of an attempt.
type response struct {
	Status       string              `json:"status"` // "200 OK"
	Headers      map[string][]string `json:"headers"`
	Body         string              `json:"body"`
	Bytes        int                 `json:"bytes"` // read of the body
	Binary       bool                `json:"binary,omitempty"`
	Incomplete   string              `json:"incomplete,omitempty"` // why there would be more
	Milliseconds float64             `json:"milliseconds"`         // until the body's end
}

func (h *handler) try(w http.ResponseWriter, r *http.Request) {
	origin := r.Header.Get("Origin")
	switch {
	case subtle.ConstantTimeCompare([]byte(r.Header.Get(tokenHeader)), []byte(h.token)) != 1:
		refuse(w, http.StatusForbidden, "only the page at "+root+"docs may try requests; reload it if msctl has been started again")
		return
	case origin != "" && !strings.EqualFold(origin, "http://"+r.Host):
		refuse(w, http.StatusForbidden, "a page of "+quote(origin)+" may not try requests")
		return
	}
	var a attempt
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTry))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, "read the request to try: "+err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), tryTimeout)
	defer cancel()
	front := h.View().Front
	req, err := a.request(ctx, front)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	out, err := do(req, front, h.TLS)
	if err != nil {
		refuse(w, http.StatusBadGateway, fmt.Sprintf("the front door at %s: %v", front, err))
		return
	}
	sendJSON(w, out)
}

// request is the attempt as a request to the front door, whatever its host.
func (a attempt) request(ctx context.Context, front string) (*http.Request, error) {
	if front == "" {
		return nil, errors.New("the front door is off")
	}
	door, err := url.Parse(front)
	if err != nil {
		return nil, fmt.Errorf("the front door's address: %w", err)
	}
	header := http.Header{}
	host := door.Host
	for name, value := range a.Headers {
		switch name := http.CanonicalHeaderKey(name); name {
		case "Host":
			host = value
		case "Connection", "Upgrade", "Transfer-Encoding", "Content-Length", "Te", "Trailer":
			return nil, fmt.Errorf("the field %s is the connection's, not yours to set", name)
		default:
			header.Set(name, value)
		}
	}
	u, err := url.Parse(door.Scheme + "://" + host + a.Path)
	if err != nil || u.Host != host || !strings.HasPrefix(a.Path, "/") || a.Method == http.MethodConnect {
		return nil, fmt.Errorf("%q of %q with method %q is no request to try", a.Path, host, a.Method)
	}
	req, err := http.NewRequestWithContext(ctx, a.Method, u.String(), strings.NewReader(a.Body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	return req, nil
}

// do sends a request to the front door, whatever host it names. Redirects and
// encodings are shown, not followed or undone.
func do(req *http.Request, front string, trust *tls.Config) (*response, error) {
	door, err := url.Parse(front)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, TLSClientConfig: trust,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort(door.Hostname(), port(door)))
		},
	}
	began := time.Now()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out := &response{Status: res.Status, Headers: res.Header}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	out.Milliseconds = float64(time.Since(began).Microseconds()) / 1000
	switch {
	case len(body) > maxResponse:
		body = body[:maxResponse]
		out.Incomplete = fmt.Sprintf("cut after %d MiB", maxResponse>>20)
	case errors.Is(err, context.DeadlineExceeded):
		out.Incomplete = fmt.Sprintf("ended after %s", tryTimeout)
	case err != nil:
		out.Incomplete = err.Error()
	}
	out.Bytes = len(body)
	if out.Incomplete != "" {
		body = whole(body)
	}
	if out.Binary = !utf8.Valid(body); !out.Binary {
		out.Body = string(body)
	}
	return out, nil
}

// whole is text without a last character that has been cut.
func whole(text []byte) []byte {
	for cut := 1; cut < utf8.UTFMax && cut <= len(text); cut++ {
		if start := len(text) - cut; utf8.RuneStart(text[start]) {
			if !utf8.FullRune(text[start:]) {
				return text[:start]
			}
			break
		}
	}
	return text
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
