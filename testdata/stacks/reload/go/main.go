// Command go answers GET and POST with its version and pid, then what was
// posted. /events is a stream of server-sent events, /ws a WebSocket: one each
// 100 ms.
package main

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const version = "v0"

var (
	me      = fmt.Sprintf("%s %d", version, os.Getpid())
	sockets sync.WaitGroup // Shutdown does not wait for them
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("/", answer)
	http.HandleFunc("/events", events)
	http.HandleFunc("/ws", websocket)
	server := &http.Server{
		Addr:        "127.0.0.1:" + os.Getenv("PORT"),
		BaseContext: func(net.Listener) context.Context { return ctx }, // ends the streams
	}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	sockets.Wait()
}

func answer(w http.ResponseWriter, r *http.Request) {
	posted, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	fmt.Fprintf(w, "%s\n%s", me, posted)
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		fmt.Fprintf(w, "data: %s\n\n", me)
		http.NewResponseController(w).Flush()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
}

func websocket(w http.ResponseWriter, r *http.Request) {
	sockets.Add(1)
	defer sockets.Done()
	key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(key[:]))
	left := make(chan error, 1) // whatever the client sends, or its end, is the end
	go func() { _, err := conn.Read(make([]byte, 1)); left <- err }()
	for {
		fmt.Fprintf(conn, "\x81%c%s", len(me), me)
		select {
		case <-time.After(100 * time.Millisecond):
			continue
		case <-left:
		case <-r.Context().Done():
		}
		io.WriteString(conn, "\x88\x02\x03\xe9") // close: 1001, going away
		return
	}
}
