//go:build unix

package cmd

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrustCommands(t *testing.T) {
	root := &x509.Certificate{Raw: []byte("certificate"), SerialNumber: big.NewInt(0xabc)}
	const file = "/home/ann/my data/ca.pem"
	has := func(folders ...string) func(string) bool {
		return func(path string) bool { return slices.Contains(folders, path) }
	}
	tests := []struct {
		name            string
		on              machine
		install, remove []string
	}{
		{
			"Debian",
			machine{os: "linux", exists: has("/usr/local/share/ca-certificates")},
			[]string{"sudo -- install -m 0644 '" + file + "' /usr/local/share/ca-certificates/msctl-local-ca-03d66dd0.crt", "sudo -- update-ca-certificates"},
			[]string{"sudo -- rm -f /usr/local/share/ca-certificates/msctl-local-ca-03d66dd0.crt", "sudo -- update-ca-certificates --fresh"},
		},
		{
			"Fedora, as root",
			machine{os: "linux", privileged: true, exists: has("/etc/pki/ca-trust/source/anchors", "/usr/share/pki/trust/anchors")},
			[]string{"install -m 0644 '" + file + "' /etc/pki/ca-trust/source/anchors/msctl-local-ca-03d66dd0.pem", "update-ca-trust extract"},
			[]string{"rm -f /etc/pki/ca-trust/source/anchors/msctl-local-ca-03d66dd0.pem", "update-ca-trust extract"},
		},
		{
			"macOS",
			machine{os: "darwin"},
			[]string{"sudo -- security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain '" + file + "'"},
			[]string{"sudo -- security remove-trusted-cert -d '" + file + "'"},
		},
		{
			"Windows",
			machine{os: "windows"},
			[]string{"certutil -user -addstore Root '" + file + "'"},
			[]string{"certutil -user -delstore Root abc"},
		},
		{"unknown Linux", machine{os: "linux", exists: has()}, nil, nil},
		{"unknown", machine{os: "plan9"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for uninstall, want := range map[bool][]string{false: tt.install, true: tt.remove} {
				var got []string
				for _, words := range tt.on.trustCommands(file, root, uninstall) {
					got = append(got, commandLine(words))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("uninstall %v (-want +got):\n%s", uninstall, diff)
				}
			}
		})
	}
}

// TestTrustAsks runs commands that change nothing but a folder of the test's.
func TestTrustAsks(t *testing.T) {
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "msctl local CA ann@desk"}}
	for _, yes := range []bool{false, true} {
		made := filepath.Join(t.TempDir(), "made by it")
		var said bytes.Buffer
		a := &app{in: strings.NewReader("y\n"), out: &said, err: &said}
		err := a.changeTrust(t.Context(), trustOptions{yes: yes}, root, [][]string{{"mkdir", made}, {"rmdir", made}, {"mkdir", made}})
		if (err == nil) != yes || exists(made) != yes {
			t.Errorf("yes %v: %v, run %v", yes, err, exists(made))
		}
		want := "install \"msctl local CA ann@desk\" in the system's trust store:\n  mkdir '" + made + "'\n"
		if !strings.HasPrefix(said.String(), want) {
			t.Errorf("yes %v: said %q, want %q first", yes, &said, want)
		}
	}
	a := &app{in: strings.NewReader(""), out: new(bytes.Buffer), err: new(bytes.Buffer)}
	made := filepath.Join(t.TempDir(), "made")
	err := a.changeTrust(t.Context(), trustOptions{yes: true}, root, [][]string{{"false"}, {"mkdir", made}})
	if err == nil || !strings.Contains(err.Error(), "run false: ") || exists(made) {
		t.Errorf("after a command that failed: %v, went on %v", err, exists(made))
	}
}
