// Package localca is a certificate authority for one user of one machine, and
// what the gateway serves TLS with: its certificates, or the user's own files.
package localca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// The authority's files, in its folder.
const (
	certName = "ca.pem"
	keyName  = "ca-key.pem" // 0600
	lockName = "lock"
)

// Authority issues certificates. It may be used by many goroutines.
type Authority struct {
	dir  string
	root *x509.Certificate
	key  crypto.Signer

	leafKey *ecdsa.PrivateKey // of all leaves; it never leaves the process

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // by name; at most maxLeaves
}

// Dir is the folder that msctl's authority is in: $MSCTL_CA_DIR, or msctl in
// the user's data folder, $XDG_DATA_HOME or what the system has for it.
func Dir() (string, error) {
	if dir := os.Getenv("MSCTL_CA_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := dataHome()
	if err != nil {
		return "", fmt.Errorf("find the folder of the local authority: %w", err)
	}
	return filepath.Join(base, "msctl"), nil
}

func dataHome() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // the specification: others are to be ignored
		return dir, nil
	}
	if dir := os.Getenv("LocalAppData"); runtime.GOOS == "windows" && dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	return filepath.Join(home, ".local", "share"), nil
}

// CertFile is where the certificate of the authority in dir is, or will be.
func CertFile(dir string) string { return filepath.Join(dir, certName) }

// Open returns the authority in dir, and makes one when there is none.
// Processes that do so at once get the same one. What is there but is not a
// whole authority of msctl's is a *FileError, and stays as it is.
func Open(dir string) (*Authority, error) {
	a, err := load(dir)
	if errors.Is(err, errNone) {
		a, err = create(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the local authority: %w", err)
	}
	a.dir = dir
	a.leaves = map[string]*tls.Certificate{}
	if a.leafKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("open the local authority: %w", err)
	}
	return a, nil
}

// File is the path of the authority's certificate (PEM), for those who are to
// trust it.
func (a *Authority) File() string { return CertFile(a.dir) }

// Root is the authority's certificate. It must not be changed.
func (a *Authority) Root() *x509.Certificate { return a.root }

// FileError is a file of the authority that cannot be used.
type FileError struct {
	Path string
	Err  error
	fix  string // "" is to make a new authority
}

func (e *FileError) Error() string { return e.Path + ": " + e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *FileError) Hint() string {
	if e.fix != "" {
		return e.fix
	}
	return fmt.Sprintf("put back what was there, or start anew: msctl trust --uninstall, delete %s and %s in %s, msctl trust",
		certName, keyName, filepath.Dir(e.Path))
}

// errNone: there is no authority, nor a part of one.
var errNone = errors.New("no authority")

// load reads the authority in dir, or returns errNone. The certificate is
// written last, so that where it is the key is, too.
func load(dir string) (*Authority, error) {
	certFile, keyFile := CertFile(dir), filepath.Join(dir, keyName)
	certPEM, err := os.ReadFile(certFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &FileError{Path: keyFile, Err: errors.New("the key is missing that belongs to " + certName)}
	}
	if err != nil {
		return nil, err
	}
	if err := private(keyFile); err != nil {
		return nil, err
	}
	root, err := parseRoot(certPEM)
	if err != nil {
		return nil, &FileError{Path: certFile, Err: err}
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, &FileError{Path: keyFile, Err: err}
	}
	if !key.PublicKey.Equal(root.PublicKey) {
		return nil, &FileError{Path: keyFile, Err: errors.New("it is not the key of " + certName)}
	}
	return &Authority{root: root, key: key}, nil
}

// private refuses a key that others can read, as ssh does.
func private(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return &FileError{
			Path: file,
			Err:  fmt.Errorf("others may read or change the key (%s)", info.Mode().Perm()),
			fix:  "chmod 600 " + file + "; or, if somebody may have read it: msctl trust --uninstall, and delete it and " + certName,
		}
	}
	return nil
}
