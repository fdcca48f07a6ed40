package ports

import (
	"net"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func private(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
}

func open(t *testing.T, owner string) *Leases {
	t.Helper()
	l, err := Open(owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func take(t *testing.T, l *Leases, key string) int {
	t.Helper()
	m, err := l.Take([]string{key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m[key]
}

func TestAPortIsStableAndNotSharedBetweenStacks(t *testing.T) {
	private(t)
	a := open(t, "/a")
	p := take(t, a, "web-1")
	if again := take(t, a, "web-1"); again != p {
		t.Errorf("second Take: port %d, want %d", again, p)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open(t, "/a")
	if again := take(t, a, "web-1"); again != p {
		t.Errorf("next run: port %d, want %d", again, p)
	}

	// Another stack whose candidate is the very port has to step aside.
	b := open(t, "/b")
	m, err := b.Take([]string{"x"}, func(q int) bool { return q != p && q != p+1 && q != First })
	if err != nil {
		t.Fatal(err)
	}
	if m["x"] == p {
		t.Errorf("port %d leased to two stacks", p)
	}
}

func TestALeaseEndsWithItsOwner(t *testing.T) {
	private(t)
	a := open(t, "/a")
	p := take(t, a, "web-1")
	if err := a.alive.Unlock(); err != nil { // what the system does when a process dies
		t.Fatal(err)
	}
	b := open(t, "/b")
	m, err := b.Take([]string{"x"}, func(q int) bool { return q != p })
	if err != nil || m["x"] != p {
		t.Errorf("Take = %v, %v; want the dead owner's port %d", m, err, p)
	}
	if _, err := os.Stat(a.path(".json")); !os.IsNotExist(err) {
		t.Errorf("the dead owner's lease is still there: %v", err)
	}
}

func TestAPortInUseIsNotTaken(t *testing.T) {
	private(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		a := open(t, "/"+host)
		p := take(t, a, "k")
		if err := a.Release("k"); err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err != nil {
			t.Skipf("no %s here: %v", host, err)
		}
		if q := take(t, a, "k"); q == p {
			t.Errorf("port %d was taken while %s listened on it", p, host)
		}
		_ = ln.Close()
	}
}

func TestOneOwnerAtATime(t *testing.T) {
	private(t)
	open(t, "/a")
	if _, err := Open("/a"); err == nil {
		t.Error("a second Open of one owner succeeded")
	}
}

func TestListenIsStableAndAvoidsLeases(t *testing.T) {
	private(t)
	ln, err := Listen("edge/a/b")
	if err != nil {
		t.Fatal(err)
	}
	p := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	if p < First || p > Last {
		t.Errorf("port %d is out of range", p)
	}
	again, err := Listen("edge/a/b")
	if err != nil {
		t.Fatal(err)
	}
	if q := again.Addr().(*net.TCPAddr).Port; q != p {
		t.Errorf("port %d, then %d for one key", p, q)
	}
	_ = again.Close()

	l := open(t, "/a")
	if _, err := l.Take([]string{"k"}, func(q int) bool { return q != p }); err != nil {
		t.Fatal(err)
	}
	third, err := Listen("edge/a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if q := third.Addr().(*net.TCPAddr).Port; q == p {
		t.Errorf("Listen took port %d, which is leased", p)
	}
}

func TestFindHolder(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	h, err := FindHolder(ln.Addr().(*net.TCPAddr).Port)
	if err != nil || h.PID != os.Getpid() {
		t.Errorf("FindHolder = %v, %v; want this process, %d", h, err, os.Getpid())
	}
}

// A supervisor's own listeners, its gateway's, belong to its stack.
func TestFindHolderKnowsASupervisorsStack(t *testing.T) {
	private(t)
	l := open(t, "/stacks/shop")
	take(t, l, "web-1")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	h, err := FindHolder(ln.Addr().(*net.TCPAddr).Port)
	if err != nil || h.Stack != "/stacks/shop" {
		t.Errorf("FindHolder = %v, %v; want the stack /stacks/shop", h, err)
	}
}

// What a killed owner had leased is its own again.
func TestPortsStayAfterTheirOwnerWasKilled(t *testing.T) {
	private(t)
	killed := open(t, "/stacks/shop")
	before := take(t, killed, "web-1")
	if err := killed.alive.Unlock(); err != nil { // as its end does; its files stay
		t.Fatal(err)
	}
	if after := take(t, open(t, "/stacks/shop"), "web-1"); after != before {
		t.Errorf("port %d became %d", before, after)
	}
}
