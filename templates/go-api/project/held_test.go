package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

// hold begins a request that is not answered before its body has come.
func (r *running) hold(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := r.dial(t)
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", paths[0])
	in := bufio.NewReader(c)
	if head, err := in.ReadString('\n'); err != nil || !strings.Contains(head, "100 Continue") {
		t.Fatalf("%s: %v", head, err)
	}
	return c, in
}

// paths are those of the resources.
var paths = []string{
	// msctl:each resource
	"/spare-gadgets",
	// msctl:end
}

func TestARequestInFlightIsAnswered(t *testing.T) {
	r := start(t)
	c, in := r.hold(t)
	r.terminate(t)
	for err := error(nil); err == nil; { // until nobody is let in any more
		var other net.Conn
		if other, err = net.Dial("tcp", r.address); err == nil {
			other.Close()
		}
	}
	fmt.Fprint(c, "{}")
	_, _ = in.ReadString('\n') // the end of 100 Continue
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if !response.Close || response.StatusCode/100 != 4 {
		t.Errorf("it is answered with %s, Connection: close is %t", response.Status, response.Close)
	}
	if code := r.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWhatDoesNotEndIsCut(t *testing.T) {
	r := start(t, "SHUTDOWN_GRACE=0.1")
	r.hold(t)
	r.terminate(t)
	if code := r.code(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
