//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// answerLimit is how long services may take to answer: by far more than any
// tool that works needs.
const answerLimit = 2 * time.Minute

// lab is where measurements are made: the programs under test, a folder for
// the stacks, and the socket on which services say that they listen.
type lab struct {
	dir, msctl, svc string
	rounds          int
	notices         net.PacketConn
	http            *http.Client
	table           *table
	runs            int
}

// openLab builds the programs and says what machine this is.
func openLab(ctx context.Context, rounds int) (*lab, error) {
	dir, err := os.MkdirTemp("", "msctl-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, msctl: filepath.Join(dir, "msctl"), svc: filepath.Join(dir, "svc"), rounds: rounds, table: &table{}}
	l.http = &http.Client{Timeout: answerLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	for out, pkg := range map[string]string{l.msctl: ".", l.svc: "./bench/svc"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "github.com/msctl/msctl/"+pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if said, err := build.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("build %s: %w\n%s", pkg, err, said), os.RemoveAll(dir))
		}
	}
	var lc net.ListenConfig
	if l.notices, err = lc.ListenPacket(ctx, "udp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, %d processors, others busy: %.0f %% of one; load %s\n", runtime.Version(), runtime.NumCPU(), busyBeside(), load)
	return l, nil
}

func (l *lab) close() {
	_ = l.notices.Close()
	_ = os.RemoveAll(l.dir)
}

// awaitAnswers waits until n services have said that they listen and have
// answered a request, and returns when the last one did.
func (l *lab) awaitAnswers(ctx context.Context, n int) (last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	deadline, _ := ctx.Deadline()
	defer context.AfterFunc(ctx, func() { _ = l.notices.SetReadDeadline(time.Now()) })()
	if err := l.notices.SetReadDeadline(deadline); err != nil {
		return last, err
	}
	type answer struct {
		at  time.Time
		err error
	}
	answers := make(chan answer, n)
	buf := make([]byte, 64)
	for i := range n {
		k, _, err := l.notices.ReadFrom(buf)
		if err != nil {
			return last, fmt.Errorf("%d of %d services listen: %w", i, n, err)
		}
		url := "http://" + string(buf[:k])
		go func() {
			err := l.get(ctx, url)
			answers <- answer{time.Now(), err}
		}()
	}
	for range n {
		a := <-answers
		if a.err != nil {
			return last, a.err
		}
		if a.at.After(last) {
			last = a.at
		}
	}
	return last, nil
}

// get asks a service and expects 200.
func (l *lab) get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, strings.TrimSpace(string(body)))
	}
	return err
}

// The fixed ports of services: beneath those that the system gives out.
const (
	firstPort = 20000
	lastPort  = 28000
)

// services returns n services that listen on ports that are free now.
func (l *lab) services(ctx context.Context, n int) ([]service, error) {
	var all []service
	var lc net.ListenConfig
	for port := firstPort; port < lastPort && len(all) < n; port++ {
		s, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = s.Close()
		all = append(all, service{name: fmt.Sprintf("s%03d", len(all)), command: fmt.Sprintf("%s -port %d", l.svc, port), port: port})
	}
	if len(all) < n {
		return nil, fmt.Errorf("want %d free ports from %d to %d, found %d", n, firstPort, lastPort, len(all))
	}
	return all, nil
}
