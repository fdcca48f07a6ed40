package proxy

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

func TestWebSocketsPass(t *testing.T) {
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, bytes.ToUpper(b)); err != nil {
				return
			}
		}
	}, stack.Route{Path: "/", To: "api", Policies: stack.Policies{Timeout: patience}})
	c, _, err := websocket.Dial(t.Context(), "ws://"+w.Addr()+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for range 3 {
		if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || string(b) != "HELLO" {
			t.Fatalf("%s, %v", b, err)
		}
	}
	// An open socket is in flight.
	addr := w.table.Load().pools["api"].addresses()[0]
	w.put("api-1", "", registry.Draining)
	if w.pooled("api").landed(addr) {
		t.Error("an open socket is not in flight")
	}
	drained := make(chan error)
	go func() { drained <- w.Drain(t.Context(), addr) }()
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "the drain", drained); err != nil {
		t.Error(err)
	}
}

func TestAnOpenSocketDoesNotKeepTheGateway(t *testing.T) {
	t.Parallel() // it takes the whole grace
	w := serving(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = c.Read(context.Background())
			_ = c.CloseNow()
		}
	})
	c, _, err := websocket.Dial(t.Context(), "ws://"+w.Addr()+"/", &websocket.DialOptions{Host: "api.localhost"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	w.stop()
}
