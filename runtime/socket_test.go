//go:build unix

package runtime

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func flag(t *testing.T, f *os.File, get, bit int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(f.Fd(), get, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&bit != 0
}

func TestASocketIsLeftAsItsOwnerPutIt(t *testing.T) {
	f, err := listenFile("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !flag(t, f, unix.F_GETFD, unix.FD_CLOEXEC) {
		t.Error("other processes inherit it")
	}
	if flag(t, f, unix.F_GETFL, unix.O_NONBLOCK) {
		t.Error("it does not block, so that a plain accept fails")
	}
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil {
		t.Fatal(err)
	}
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "exit 0"}, &os.ProcAttr{Files: []*os.File{nil, nil, nil, f}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if !flag(t, f, unix.F_GETFL, unix.O_NONBLOCK) {
		t.Error("a start made it block for those who have it already")
	}

	conn, err := net.Dial("tcp", address(t, f))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
		t.Fatal(err)
	}
	accepted, _, err := unix.Accept(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(accepted)
	if on, err := unix.GetsockoptInt(accepted, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("what is accepted waits to send: %d, %v", on, err)
	}
	if _, err := listenFile(address(t, f)); err == nil {
		t.Error("two could listen on one address")
	}
}

// address is where a socket listens.
func address(t *testing.T, f *os.File) string {
	t.Helper()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
