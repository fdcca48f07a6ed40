package runtime

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

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
	if err := newGRPCProbe("").probe(t.Context(), probed{addr: addr}); err == nil {
		t.Error("the grpc probe of a closed port succeeded")
	}
}

func TestGRPCProbe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states := health.NewServer()
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, states)
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(ln) }()
	defer func() { srv.Stop(); <-served }()
	states.SetServingStatus("shop.Catalog", healthpb.HealthCheckResponse_SERVING)
	states.SetServingStatus("shop.Orders", healthpb.HealthCheckResponse_NOT_SERVING)
	at := probed{addr: ln.Addr().String()}
	for service, want := range map[string]string{
		"":             "",
		"shop.Catalog": "",
		"shop.Orders":  "grpc health: NOT_SERVING",
		"shop.Nothing": "grpc health: status 5 unknown service",
	} {
		if err := newGRPCProbe(service).probe(t.Context(), at); message(err) != want {
			t.Errorf("%q: %v, want %q", service, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newGRPCProbe("").probe(ctx, at); !errors.Is(err, context.Canceled) {
		t.Errorf("with its context done: %v", err)
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

func FuzzGRPCStatus(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, frame []byte) { status(frame) })
}
