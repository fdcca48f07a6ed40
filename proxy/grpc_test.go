package proxy

import (
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/msctl/msctl/registry"
)

func TestGRPCPasses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	checks := health.NewServer()
	checks.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, checks)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() { server.Stop(); <-served })

	w := begin(t, declare(t, service("api"), service("web", needs("api")), service("down")), Options{})
	w.put("api-1", ln.Addr().String(), registry.Ready)
	w.put("api-2", nobody(t), registry.Ready) // calls go on from here to the other
	edge, _ := w.Edge("web", "api")
	for _, c := range []struct{ addr, authority string }{{w.Addr(), "api.localhost"}, {edge, edge}} {
		conn, err := grpc.NewClient("passthrough:///"+c.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(c.authority))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client := grpc_health_v1.NewHealthClient(conn)
		res, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "shop"})
		if err != nil || res.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("Check = %v, %v", res, err)
		}
		if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "?"}); status.Code(err) != codes.NotFound {
			t.Errorf("the status of a failed call: %v", err)
		}
		// A stream: each change comes at once.
		watch, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []grpc_health_v1.HealthCheckResponse_ServingStatus{
			grpc_health_v1.HealthCheckResponse_NOT_SERVING, grpc_health_v1.HealthCheckResponse_SERVING,
		} {
			if got, err := watch.Recv(); err != nil || got.Status != s {
				t.Errorf("Recv = %v, %v, want %v", got, err, s)
			}
			checks.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_SERVING)
		}
		checks.SetServingStatus("shop", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		_ = conn.Close()
	}

	conn, err := grpc.NewClient("passthrough:///"+w.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("down.localhost"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "service down has no instance" {
		t.Errorf("Check = %v", err)
	}
}
