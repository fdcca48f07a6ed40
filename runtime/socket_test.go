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

	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := listenFile(l.Addr().String()); err == nil {
		t.Error("two could listen on one address")
	}
}
