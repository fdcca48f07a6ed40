package grpchealth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAClosedPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := New(nil).Check(t.Context(), ln.Addr().String(), ""); err == nil {
		t.Error("there is nobody, and it serves")
	}
}

func TestCheck(t *testing.T) {
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
	at := ln.Addr().String()
	for service, want := range map[string]string{
		"":             "<nil>",
		"shop.Catalog": "<nil>",
		"shop.Orders":  "grpc health: NOT_SERVING",
		"shop.Nothing": "grpc health: status 5 unknown service",
	} {
		if err := New(nil).Check(t.Context(), at, service); fmt.Sprint(err) != want {
			t.Errorf("%q: %v, want %q", service, err, want)
		}
	}
	if err := New(&tls.Config{MinVersion: tls.VersionTLS12}).Check(t.Context(), at, ""); err == nil {
		t.Error("a server in clear text was asked by TLS")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(nil).Check(ctx, at, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("with its context done: %v", err)
	}
}

func FuzzGRPCStatus(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, frame []byte) { status(frame) })
}
