//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// What h2load says of its requests, their answers, and the bytes of bodies.
var (
	succeeded = regexp.MustCompile(`(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	statuses  = regexp.MustCompile(`status codes: (\d+) 2xx`)
	data      = regexp.MustCompile(`\((\d+)\) data`)
)

// h2load measures with nghttp2's generator, which is cheap.
func (l *lab) h2load(ctx context.Context, s spec) (result, error) {
	run := func(d time.Duration) (string, error) {
		c := l.pinned(ctx, []int{l.load}, "h2load", "-t", "1", "-c", strconv.Itoa(s.Conns), "-m", strconv.Itoa(s.Streams),
			"-D", strconv.FormatFloat(d.Seconds(), 'f', -1, 64), fmt.Sprintf("http://127.0.0.1:%d%s", s.Port, s.Path))
		out, err := c.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("h2load: %w: %s", err, out)
		}
		return string(out), err
	}
	if _, err := run(time.Second); err != nil { // it counts whole ones
		return result{}, err
	}
	before := take(s.PIDs, s.CPU)
	out, err := run(s.For)
	if err != nil {
		return result{}, err
	}
	after := take(s.PIDs, s.CPU)
	counts := append(append(numbers(succeeded, out), numbers(statuses, out)...), numbers(data, out)...)
	if len(counts) != 6 {
		return result{}, fmt.Errorf("h2load said %q", out)
	}
	done, failed, ok, bytes := counts[0], counts[1]+counts[2]+counts[3], counts[4], counts[5]
	underWay := s.Conns * s.Streams // at the end, their data counted or not
	if want := bodies[s.Path]; failed > 0 || ok < done || bytes < done*want || bytes > (done+underWay)*want {
		return result{}, errors.New("h2load got wrong answers: " + out)
	}
	return after.since(before, done), nil
}

// numbers are the groups of an expression in text.
func numbers(re *regexp.Regexp, text string) []int {
	var all []int
	if m := re.FindStringSubmatch(text); m != nil {
		for _, s := range m[1:] {
			n, _ := strconv.Atoi(s) // the expression saw to it
			all = append(all, n)
		}
	}
	return all
}
