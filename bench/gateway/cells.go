//go:build linux

package main

import (
	"fmt"
	"time"
)

// cell is one thing that is measured of each proxy.
type cell struct {
	name    string
	spec    spec
	wide    bool // the proxy may use both processors, not its own alone
	figures []figure
}

// figure is a row of the table, made from a cell's results.
type figure struct {
	title string
	of    func(result) float64
	added bool // is counted from what it is without a proxy
	bound bound
}

// bound is what msctl's figure has to keep to, nil for nothing.
type bound func(row row) verdict

// verdict is what a bound says of a figure.
type verdict struct {
	text     string
	met, say bool // say is false when what it compares with is not there
}

// toBetter bounds the ratio to the better of nginx and HAProxy.
func toBetter(limit float64) bound {
	return func(r row) verdict {
		better, there := r.better()
		return verdict{fmt.Sprintf("≤ %.2f", limit), r["msctl"] <= limit*better, there}
	}
}

func atMost(limit float64, unit string) bound {
	return func(r row) verdict { return verdict{fmt.Sprintf("≤ %g %s", limit, unit), r["msctl"] <= limit, true} }
}

func noMoreThan(peer, name string) bound {
	return func(r row) verdict {
		other, there := r[peer]
		return verdict{"≤ " + name, r["msctl"] <= other, there}
	}
}

// cheapHTTP2 bounds what HTTP/2 costs: less than with Caddy, and than a server on net/http takes.
func cheapHTTP2(r row) verdict {
	const class = 70
	caddy, there := r["caddy"]
	return verdict{fmt.Sprintf("< %d µs, < Caddy", class), r["msctl"] < class && (!there || r["msctl"] < caddy), true}
}

// Every run warms up first, and then lasts so long.
const (
	warm   = 300 * time.Millisecond
	closed = 2 * time.Second
	open   = 4 * time.Second
)

// cells are in the order in which they are measured.
func cells() []cell {
	perRequest := func(title string, b bound) []figure {
		return []figure{{title: title, of: func(r result) float64 { return r.CPU }, bound: b}}
	}
	small := func(conns int) spec { return spec{Path: "/small", Conns: conns, Warm: warm, For: closed} }
	rate := small(64)
	rate.Rate, rate.For = 2000, open
	paced := func(title string) []figure {
		return append(perRequest(title, toBetter(0.90)),
			figure{title: title + ", p50 added, µs", of: func(r result) float64 { return r.P50 }, added: true},
			figure{title: title + ", p99 added, µs", of: func(r result) float64 { return r.P99 }, added: true, bound: noMoreThan("nginx", "nginx")})
	}
	return []cell{
		{name: "get200", spec: small(64), figures: perRequest("GET 200 B, 64 connections", toBetter(0.90))},
		{name: "get16k", spec: spec{Path: "/16k", Conns: 64, Warm: warm, For: closed}, figures: perRequest("GET 16 KiB, 64 connections", toBetter(0.80))},
		{name: "post1k", spec: spec{Path: "/small", Body: 1 << 10, Conns: 64, Warm: warm, For: closed}, figures: perRequest("POST 1 KiB, 64 connections", toBetter(1))},
		{
			name: "get200x1000", spec: small(1000),
			figures: append(perRequest("GET 200 B, 1000 connections", toBetter(1)),
				figure{title: "Resident memory at 1000 connections, MiB", of: func(r result) float64 { return r.RSS }, bound: atMost(30, "MiB")}),
		},
		{name: "get1m", spec: spec{Path: "/1m", Conns: 8, Warm: warm, For: closed}, figures: perRequest("GET 1 MiB, 8 connections", toBetter(0.65))},
		{name: "post1m", spec: spec{Path: "/small", Body: 1 << 20, Conns: 8, Warm: warm, For: closed}, figures: perRequest("POST 1 MiB, 8 connections", toBetter(0.65))},
		{name: "rate2000", spec: rate, figures: paced("GET 200 B, 2000 a second")},
		{name: "rate2000x2", spec: rate, wide: true, figures: paced("The same, two processors for the proxy")},
		{
			name: "h2", spec: spec{Path: "/small", H2: true, Conns: 8, Streams: 32, Warm: warm, For: closed},
			figures: perRequest("GET 200 B, HTTP/2, 8 connections of 32 streams", cheapHTTP2),
		},
	}
}
