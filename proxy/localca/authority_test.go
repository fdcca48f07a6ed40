package localca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// openEnv has the test binary open the authority in a folder, and no more.
const openEnv = "LOCALCA_TEST_OPEN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(openEnv); dir != "" {
		if err := openAndPrint(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// openAndPrint opens once stdin ends, so that many processes do at once.
func openAndPrint(dir string) error {
	var gun bytes.Buffer
	if _, err := gun.ReadFrom(os.Stdin); err != nil {
		return err
	}
	a, err := Open(dir)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(a.Root().Raw)
	return err
}

// open makes an authority, or opens the one of dir.
func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenAgainIsTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "msctl")
	first, second := open(t, dir), open(t, dir)
	if !first.Root().Equal(second.Root()) {
		t.Error("opened again, it is another authority")
	}
	root := first.Root()
	if !root.IsCA || !root.MaxPathLenZero || !root.PermittedDNSDomainsCritical {
		t.Errorf("CA %v, path length zero %v, critical %v, want all", root.IsCA, root.MaxPathLenZero, root.PermittedDNSDomainsCritical)
	}
	if cn := root.Subject.CommonName; !strings.HasPrefix(cn, "msctl local CA ") || !strings.Contains(cn, "@") {
		t.Errorf("common name %q", cn)
	}
	if first.File() != filepath.Join(dir, "ca.pem") {
		t.Errorf("file %s", first.File())
	}
}

func TestPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folder's access list holds there")
	}
	dir := filepath.Join(t.TempDir(), "msctl")
	open(t, dir)
	for name, want := range map[string]fs.FileMode{"": 0o700, keyName: 0o600, certName: 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %s, want %s", name, got, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("%v in the folder (%v), want the certificate, the key and the lock", left, err)
	}
}

func TestProcessesAtOnceGetTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "msctl")
	gun, trigger, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var all [6]*exec.Cmd
	var roots, errs [len(all)]bytes.Buffer
	for i := range all {
		all[i] = exec.CommandContext(t.Context(), os.Args[0])
		all[i].Env = append(os.Environ(), openEnv+"="+dir)
		all[i].Stdin, all[i].Stdout, all[i].Stderr = gun, &roots[i], &errs[i]
		if err := all[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	gun.Close()
	trigger.Close()
	for i, c := range all {
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &errs[i])
		}
	}
	want := open(t, dir).Root().Raw
	for i := range all {
		if !bytes.Equal(roots[i].Bytes(), want) {
			t.Errorf("process %d got another authority than is in the folder", i)
		}
	}
}

func TestGoroutinesAtOnceGetTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "msctl")
	const n = 8
	opened := make(chan *Authority, n)
	for range n {
		go func() {
			a, err := Open(dir)
			if err != nil {
				t.Error(err)
			}
			opened <- a
		}()
	}
	var first *Authority
	for range n {
		a := <-opened
		if first == nil {
			first = a
		}
		if a != nil && first != nil && !a.Root().Equal(first.Root()) {
			t.Error("two authorities in one folder")
		}
	}
}

func TestWhatIsNotWholeStays(t *testing.T) {
	stranger := open(t, t.TempDir()).dir
	other := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(stranger, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := []struct {
		name string
		hurt func(cert, key string) error
		file string // that the error names
		says string
	}{
		{"torn certificate", func(cert, _ string) error { return os.Truncate(cert, 100) }, certName, "want one whole PEM block"},
		{"empty certificate", func(cert, _ string) error { return os.Truncate(cert, 0) }, certName, "want one whole PEM block"},
		{"torn key", func(_, key string) error { return os.Truncate(key, 60) }, keyName, "want one whole PEM block"},
		{"no certificate", func(cert, _ string) error { return os.Remove(cert) }, keyName, "the certificate is missing"},
		{"no key", func(_, key string) error { return os.Remove(key) }, keyName, "the key is missing"},
		{"another's key", func(_, key string) error { return os.WriteFile(key, other(keyName), 0o600) }, keyName, "it is not the key of ca.pem"},
		{"another's certificate", func(cert, _ string) error { return os.WriteFile(cert, other(certName), 0o600) }, keyName, "it is not the key of ca.pem"},
		{"a foreign authority", func(cert, _ string) error { return os.WriteFile(cert, foreign(t), 0o600) }, certName, "msctl did not make this certificate"},
		{"a key for all", func(_, key string) error { return os.Chmod(key, 0o644) }, keyName, "others may read or change the key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "a key for all" && runtime.GOOS == "windows" {
				t.Skip("files have no such mode there")
			}
			dir := t.TempDir()
			open(t, dir)
			if err := tt.hurt(filepath.Join(dir, certName), filepath.Join(dir, keyName)); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			_, err := Open(dir)
			var e *FileError
			if !errors.As(err, &e) {
				t.Fatalf("Open: %v, want a FileError", err)
			}
			if e.Path != filepath.Join(dir, tt.file) || !strings.Contains(err.Error(), e.Path) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Open: %v; want %s and %q named", err, tt.file, tt.says)
			}
			if !strings.Contains(e.Hint(), dir) {
				t.Errorf("hint %q does not name a file", e.Hint())
			}
			if after := contents(t, dir); after != before {
				t.Errorf("the folder was changed:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func contents(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %s\n", e.Name(), text)
	}
	return b.String()
}

// foreign is an authority without constraints, as other programs make them.
func foreign(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: "other development CA"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestDir(t *testing.T) {
	home, data, own := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", data)
	t.Setenv("MSCTL_CA_DIR", own)
	is := func(want string) {
		t.Helper()
		if got, err := Dir(); err != nil || got != want {
			t.Errorf("Dir: %s, %v, want %s", got, err, want)
		}
	}
	is(own)
	t.Setenv("MSCTL_CA_DIR", "")
	is(filepath.Join(data, "msctl"))
	if runtime.GOOS != "linux" {
		return
	}
	t.Setenv("XDG_DATA_HOME", "relative")
	is(filepath.Join(home, ".local", "share", "msctl"))
}
