// Command svc is the service that the benchmarks run: it listens, says so to
// the benchmark, and answers.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/msctl/msctl/bench/spew"
)

func main() {
	port := flag.String("port", os.Getenv("PORT"), "where it listens")
	deaf := flag.Bool("deaf", false, "ignore the signals that ask to stop")
	chatty := flag.Bool("chatty", false, "print a line each 200 ms")
	flag.Parse()
	if *deaf {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	if err := serve(*port, *chatty); err != nil {
		fmt.Fprintln(os.Stderr, "svc:", err)
		os.Exit(1)
	}
}

func serve(port string, chatty bool) error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	tell(l.Addr())
	if chatty {
		go chat()
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	http.HandleFunc("/spew", write)
	return http.Serve(l, nil) //nolint:gosec // it serves a benchmark on this machine
}

// tell sends one datagram with the address to the benchmark, which so has no
// need to poll for it.
func tell(addr net.Addr) {
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "udp", os.Getenv("BENCH_NOTIFY"))
	if err != nil {
		return
	}
	fmt.Fprint(c, addr)
	_ = c.Close()
}

// write answers once the output that is asked for has been written to stdout.
func write(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.FormValue("n"))
	if err := spew.Write(os.Stdout, r.FormValue("kind"), n); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func chat() {
	for range time.Tick(200 * time.Millisecond) {
		fmt.Println("tick")
	}
}
