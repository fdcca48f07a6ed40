//go:build unix

package cmd

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// svc is the service that the scripts run: it writes what its flags say, then
// serves HTTP on $PORT until SIGTERM.
//
//	/          its instance, the method and the path
//	/readyz    200, or 503 with -unready
//	/env       its environment
//	/say?TEXT  writes TEXT to stdout
//	/crash     exits with code 7
func svc() {
	f := flag.NewFlagSet("svc", flag.ExitOnError)
	lines := f.Int("lines", 0, "write this many numbered lines")
	exit := f.Int("exit", -1, "exit with this code instead of serving")
	after := f.Duration("after", 0, "serve this long before -exit")
	unready := f.Bool("unready", false, "never become ready")
	ignoreTerm := f.Bool("ignore-term", false, "go on after SIGTERM")
	fork := f.String("fork", "", "first start a svc that hangs: child, or setsid (in a session of its own); or leave serving to another and exit: daemon")
	hang := f.Bool("hang", false, "only wait")
	request := f.String("request", "", "request this URL and exit, for shells without curl")
	var say []string
	f.Func("say", "write this line (repeatable)", func(s string) error { say = append(say, s); return nil })
	_ = f.Parse(os.Args[1:]) // it exits

	if *request != "" {
		if _, err := http.Get(*request); err != nil {
			fail(err)
		}
		return
	}
	stop := make(chan os.Signal, 1)
	if *ignoreTerm {
		signal.Ignore(syscall.SIGTERM)
	} else {
		signal.Notify(stop, syscall.SIGTERM)
	}
	switch *fork {
	case "child":
		another(false, "-hang")
	case "setsid":
		another(true, "-hang")
	case "daemon":
		another(true)
		return
	}
	for _, line := range say {
		fmt.Println(line)
	}
	for n := range *lines {
		fmt.Println("line", n+1)
	}
	end := make(<-chan time.Time)
	switch {
	case *exit >= 0 && *after == 0:
		os.Exit(*exit)
	case *exit >= 0:
		end = time.After(*after)
	}
	if !*hang {
		serveHTTP(*unready)
	}
	select {
	case <-stop:
		fmt.Println("stopped")
	case <-end:
		os.Exit(*exit)
	}
}

// another starts svc once more, for others to find and end.
func another(ownSession bool, args ...string) {
	exe, err := os.Executable()
	if err != nil {
		fail(err)
	}
	c := exec.Command(exe, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: ownSession}
	if err := c.Start(); err != nil {
		fail(err)
	}
}

func serveHTTP(unready bool) {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		fail(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.Getenv("INSTANCE_ID"), r.Method, r.URL.Path)
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if unready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		env := os.Environ()
		slices.Sort(env)
		fmt.Fprintln(w, strings.Join(env, "\n"))
	})
	mux.HandleFunc("/say", func(_ http.ResponseWriter, r *http.Request) { fmt.Println(r.URL.RawQuery) })
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	fmt.Println("listening on", l.Addr().(*net.TCPAddr).Port)
	go func() { fail(http.Serve(l, mux)) }()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "svc:", err)
	os.Exit(1)
}
