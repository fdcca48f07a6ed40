package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const (
	socketName = "msctl.sock"
	// socketPathMax is below what sockaddr_un holds on every system (104 bytes
	// on BSDs and macOS, 108 on Linux).
	socketPathMax = 100
)

// SocketPath is where the stack in dir has its socket: in its state folder,
// or, when that path is too long for a socket, in the user's runtime folder.
func SocketPath(dir string) string {
	path := filepath.Join(dir, ".msctl", socketName)
	if len(path) <= socketPathMax {
		return path
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(runtimeDir(), hex.EncodeToString(sum[:8])+".sock")
}

func runtimeDir() string {
	if d := os.Getenv("XDG_RUNTIME_DIR"); d != "" && len(d) < socketPathMax-30 {
		return filepath.Join(d, "msctl")
	}
	return filepath.Join(os.TempDir(), "msctl-"+strconv.Itoa(os.Getuid()))
}

// makeSocketDir makes the folder of a socket. In a shared place such as /tmp it
// must be the user's own: whoever owns it could put another socket there.
func makeSocketDir(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if dir != runtimeDir() {
		return nil
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !st.IsDir() || !ownedByUser(st) {
		return fmt.Errorf("%s is not a folder of this user", dir)
	}
	return nil
}
