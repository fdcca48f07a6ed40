//go:build unix

package cmd

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/registry"
)

func TestRequestsInColumns(t *testing.T) {
	at := time.Date(2026, 11, 24, 10, 20, 30, 5e6, time.Local)
	first := []control.Request{
		{Time: at, Route: "/orders", Service: "orders", Instance: "orders-1", Method: "GET", Path: "/orders/7?a=1", Status: 200, Total: registry.Duration(1234 * time.Microsecond), BytesOut: 512},
		{Time: at, Caller: "web", Service: "orders", Method: "DELETE", Path: "/x", Status: 503, Total: registry.Duration(10 * time.Second), BytesOut: 1500, Error: "nobody is\nready"},
		{Time: at, Method: "GET", Path: "/\x1b[31m", Status: 404},
	}
	then := []control.Request{{Time: at, Route: "/", Service: "web", Instance: "web-1", Method: "GET", Path: "/" + strings.Repeat("x", 50), Error: "reset"}}
	var b strings.Builder
	p := requestPrinter{}
	for _, requests := range [][]control.Request{first, then} {
		if err := p.print(&b, requests); err != nil {
			t.Fatal(err)
		}
	}
	want := `10:20:30.005  200  GET     /orders/7?a=1  /orders → orders-1   1.23ms     512B
10:20:30.005  503  DELETE  /x             web → orders            10s   1.5KiB  nobody is` + "\uFFFD" + `ready
10:20:30.005  404  GET     /` + "\uFFFD" + `[31m         no route                 0s       0B
10:20:30.005    -  GET     /` + strings.Repeat("x", 50) + `  / → web-1                0s       0B  reset
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p.color = true
	if line := p.line(&first[1]); !strings.Contains(line, "  \x1b[31m503\x1b[0m  DELETE") {
		t.Errorf("in colour: %q", line)
	}
}

func TestSizesAreShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 999: "999B", 1000: "1.0KiB", 1536: "1.5KiB", 10 << 10: "10KiB", 1 << 20: "1.0MiB", 5 << 40: "5.0TiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
