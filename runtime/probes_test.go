package runtime

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/stack"
)

func TestHTTPProbe(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.WriteHeader(http.StatusNoContent)
		case "/moved":
			w.WriteHeader(http.StatusFound)
		case "/hang":
			<-hang
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer srv.Close()
	defer close(hang)
	addr := strings.TrimPrefix(srv.URL, "http://")
	for _, c := range []struct {
		check stack.Healthcheck
		want  string
	}{
		{stack.Healthcheck{HTTP: "/ok"}, ""},
		{stack.Healthcheck{HTTP: "/moved"}, ""},
		{stack.Healthcheck{HTTP: "ok"}, ""},
		{stack.Healthcheck{HTTP: srv.URL + "/ok"}, ""},
		{stack.Healthcheck{HTTP: "/pot"}, "GET /pot answered 418 I'm a teapot"},
		{stack.Healthcheck{HTTP: "/pot", HTTPStatus: 418}, ""},
		{stack.Healthcheck{HTTP: "/ok", HTTPStatus: 200}, "GET /ok answered 204 No Content"},
		{stack.Healthcheck{HTTP: "/hang", Timeout: 20 * time.Millisecond}, "no answer within 20ms"},
	} {
		err := attempt(t.Context(), newHTTPProbe(c.check), c.check, probed{addr: addr})
		if got := message(err); got != c.want {
			t.Errorf("%+v: %q, want %q", c.check, got, c.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestProbesOfAClosedPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	for _, p := range []prober{tcpProbe{}, newHTTPProbe(stack.Healthcheck{HTTP: "/"})} {
		if err := p.probe(t.Context(), probed{addr: addr}); message(err) != "nothing listens on "+addr {
			t.Errorf("%T: %v", p, err)
		}
	}
}

func TestLogProbeFindsALineInAnyPieces(t *testing.T) {
	const text = "starting\nlistening on port 80\nmore"
	for cut := range len(text) {
		p := newLogProbe(`^listening on port [0-9]+$`)
		w := p.tee(io.Discard)
		_, _ = io.WriteString(w, text[:cut])
		_, _ = io.WriteString(w, text[cut:])
		if err := p.probe(t.Context(), probed{}); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	p := newLogProbe("never")
	_, _ = io.WriteString(p.tee(io.Discard), text)
	if err := p.probe(t.Context(), probed{}); err == nil {
		t.Error("matched what is not there")
	}
}
