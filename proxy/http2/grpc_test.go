package http2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/msctl/msctl/proxy"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

const patience = 10 * time.Second

// plain is a codec of messages that are bytes.
type plain struct{}

func (plain) Name() string { return "plain" }

func (plain) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (plain) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// calls is what the methods do: the whole of a request, then of a response.
var calls = map[string]func(s grpc.ServerStream) error{
	"/all/Echo": func(s grpc.ServerStream) error { // of each message
		for {
			var m []byte
			if err := s.RecvMsg(&m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(&m); err != nil {
				return err
			}
		}
	},
	"/all/Count": func(s grpc.ServerStream) error { // one response to many messages
		var n, size int
		for ; ; n++ {
			var m []byte
			if err := s.RecvMsg(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			size += len(m)
		}
		m := fmt.Appendf(nil, "%d with %d bytes", n, size)
		s.SetTrailer(metadata.Pairs("kept", "yes", "kept-bin", "\x00\xff"))
		return s.SendMsg(&m)
	},
	"/all/Refuse": func(grpc.ServerStream) error { return status.Error(codes.FailedPrecondition, "not now: 100 %") },
	"/all/Headers": func(s grpc.ServerStream) error { // at once, and nothing else
		if err := s.SendHeader(metadata.Pairs("early", "yes")); err != nil {
			return err
		}
		<-s.Context().Done()
		return status.FromContextError(s.Context().Err()).Err()
	},
}

func TestGRPCPasses(t *testing.T) {
	ended := make(chan error, 8)
	server := grpc.NewServer(grpc.ForceServerCodecV2(plain{}), grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(s)
		call, ok := calls[name]
		if !ok {
			return status.Error(codes.Unimplemented, name)
		}
		err := call(s)
		if name == "/all/Headers" {
			ended <- s.Context().Err()
		}
		return err
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	defer func() { server.Stop(); <-served }()

	reg := registry.New()
	reg.Put(registry.Instance{ID: "api-1", Service: "api", Address: ln.Addr().String(), State: registry.Ready})
	g := proxy.New(reg, proxy.Options{OnError: func(err error) { t.Log(err) }})
	if err := g.Configure(t.Context(), &stack.Stack{
		Name: "test", Dir: t.TempDir(), Gateway: stack.Gateway{Listen: "127.0.0.1:0"},
		Services: []stack.Service{{Name: "api", Kind: stack.KindService, Protocol: stack.HTTP, Replicas: 1, Balance: stack.Balance{Policy: stack.RoundRobin}}},
	}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- g.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient("passthrough:///"+g.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("api.localhost"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(plain{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	ask := func(method, message string, o ...grpc.CallOption) (string, error) {
		in, out := []byte(message), []byte(nil)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := conn.Invoke(ctx, method, &in, &out, o...)
		return string(out), err
	}
	t.Run("one to one", func(t *testing.T) {
		for _, size := range []int{0, 1, 1 << 10, 8 << 20} {
			message := strings.Repeat("m", size)
			if got, err := ask("/all/Echo", message); got != message || err != nil {
				t.Errorf("%d bytes: %d, %v", size, len(got), err)
			}
		}
	})
	t.Run("an error without a message", func(t *testing.T) {
		_, err := ask("/all/Refuse", "")
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not now: 100 %" {
			t.Errorf("%v", err)
		}
	})
	t.Run("many to one, with trailers", func(t *testing.T) {
		var trailer metadata.MD
		s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/all/Count", grpc.Trailer(&trailer))
		if err != nil {
			t.Fatal(err)
		}
		m := bytes.Repeat([]byte("m"), 1<<20)
		for range 5 {
			if err := s.SendMsg(&m); err != nil {
				t.Fatal(err)
			}
		}
		_ = s.CloseSend()
		var got []byte
		if err := s.RecvMsg(&got); string(got) != "5 with 5242880 bytes" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if !slices.Equal(trailer.Get("kept"), []string{"yes"}) || !slices.Equal(trailer.Get("kept-bin"), []string{"\x00\xff"}) {
			t.Errorf("%v", trailer)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/all/Echo")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			m, got := fmt.Append(nil, i), []byte(nil)
			if err := s.SendMsg(&m); err != nil {
				t.Fatal(err)
			}
			if err := s.RecvMsg(&got); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%q, %v", got, err)
			}
		}
		_ = s.CloseSend()
		if err := s.RecvMsg(new([]byte)); !errors.Is(err, io.EOF) {
			t.Errorf("it ended with %v", err)
		}
	})
	for _, c := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
		end  bool // by cancelling
		code codes.Code
	}{
		{"cancelled", func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) }, true, codes.Canceled},
		{"a deadline", func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) }, false, codes.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := c.ctx()
			defer cancel()
			s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/all/Headers")
			if err != nil {
				t.Fatal(err)
			}
			_ = s.CloseSend()
			if h, err := s.Header(); err != nil || !slices.Equal(h.Get("early"), []string{"yes"}) {
				t.Fatalf("%v, %v", h, err)
			}
			if c.end {
				cancel()
			}
			if err := s.RecvMsg(new([]byte)); status.Code(err) != c.code {
				t.Errorf("%v", err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("the service's call ended well")
				}
			case <-time.After(patience):
				t.Error("the service does not hear of it")
			}
		})
	}
}
