package cmd

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/proxy/localca"
	"github.com/msctl/msctl/stack"
)

// trustOptions are what the flags of trust say.
type trustOptions struct {
	path, print, uninstall, yes bool
}

func (a *app) trustCommand() *cobra.Command {
	var o trustOptions
	c := &cobra.Command{
		Use:   "trust",
		Short: "Have this machine trust the gateway's certificates",
		Long: `Have this machine trust the gateway's certificates: install the certificate of
the local authority, which is made on first use, in the system's trust store.
What will be run is shown first, and nothing is without a yes. The authority can
vouch for localhost, *.localhost, *.test and loopback addresses only.`,
		Example: `  msctl trust
  msctl trust --uninstall
  curl --cacert "$(msctl trust --path)" https://localhost:8080`,
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error { return a.trust(c.Context(), o) },
	}
	c.Flags().BoolVar(&o.path, "path", false, "print the path of the authority's certificate, install nothing")
	c.Flags().BoolVar(&o.print, "print", false, "print the authority's certificate (PEM), install nothing")
	c.Flags().BoolVar(&o.uninstall, "uninstall", false, "remove it from the trust store; its files stay")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.MarkFlagsMutuallyExclusive("path", "print", "uninstall")
	return c
}

func (a *app) trust(ctx context.Context, o trustOptions) error {
	dir, err := localca.Dir()
	if err != nil {
		return err
	}
	file := localca.CertFile(dir)
	if !o.uninstall { // what was trusted can be removed also when its key is lost
		if _, err := localca.Open(dir); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.note("there is no local authority in %s, nothing to remove", dir)
		return nil
	case err != nil:
		return fmt.Errorf("read the authority's certificate: %w", err)
	case o.path:
		fmt.Fprintln(a.out, file)
		return nil
	case o.print:
		fmt.Fprintf(a.out, "%s", text)
		return nil
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("read the authority's certificate: %s is no PEM file", file)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("read the authority's certificate: %s: %w", file, err)
	}
	commands := machine{os: goruntime.GOOS, privileged: os.Geteuid() == 0, exists: exists}.trustCommands(file, root, o.uninstall)
	if commands == nil {
		return &exitError{
			code: exitFailed,
			err:  fmt.Errorf("the trust store of this system (%s) is not known", goruntime.GOOS),
			hint: "its manual says how to add or remove " + file,
		}
	}
	return a.changeTrust(ctx, o, root, commands)
}

// changeTrust shows the commands and, when the user agrees, runs them.
func (a *app) changeTrust(ctx context.Context, o trustOptions, root *x509.Certificate, commands [][]string) error {
	verb := "install %q in the system's trust store:\n"
	if o.uninstall {
		verb = "remove %q from the system's trust store:\n"
	}
	fmt.Fprintf(a.err, verb, root.Subject.CommonName)
	for _, c := range commands {
		fmt.Fprintf(a.err, "  %s\n", commandLine(c))
	}
	if !o.yes {
		if !isTerminal(a.in) {
			return &exitError{code: exitFailed, err: errors.New("there is no terminal to ask on, nothing was changed"), hint: "run the commands above yourself, or add --yes"}
		}
		fmt.Fprint(a.err, "Run this? [y/N] ")
		answer, _ := bufio.NewReader(a.in).ReadString('\n') // an end without an answer is a no
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return &exitError{code: exitFailed, err: errors.New("nothing was changed")}
		}
	}
	for _, words := range commands {
		c := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // what was shown and agreed to
		c.Stdin, c.Stdout, c.Stderr = a.in, a.err, a.err
		if err := c.Run(); err != nil {
			return fmt.Errorf("run %s: %w", commandLine(words), err)
		}
	}
	return nil
}

// untrusted reports whether the gateway's certificates are of the local
// authority, and the system does not trust that.
func untrusted(t *stack.TLS) bool {
	if t == nil || t.Cert != "" {
		return false
	}
	dir, err := localca.Dir()
	if err != nil {
		return false
	}
	ca, err := localca.Open(dir)
	if err != nil {
		return false // the gateway has said so
	}
	const name = "localhost"
	c, err := ca.Certificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		return false
	}
	_, err = c.Leaf.Verify(x509.VerifyOptions{DNSName: name})
	return err != nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// commandLine is what to type in a shell for words.
func commandLine(words []string) string {
	typed := slices.Clone(words)
	for i, w := range typed {
		if strings.ContainsAny(w, " '\"\\$`&;|<>()*?[]#~") && goruntime.GOOS != "windows" {
			typed[i] = shellQuote(w)
		} else if strings.Contains(w, " ") {
			typed[i] = `"` + w + `"`
		}
	}
	return strings.Join(typed, " ")
}

// machine is what the way to its trust store depends on.
type machine struct {
	os         string // as runtime.GOOS
	privileged bool
	exists     func(path string) bool
}

// linuxStores are where distributions take certificates from, and what makes
// them do so after one has come or gone.
var linuxStores = []struct {
	folder, ext string
	come, gone  []string
}{
	{"/etc/pki/ca-trust/source/anchors", ".pem", []string{"update-ca-trust", "extract"}, []string{"update-ca-trust", "extract"}}, // Fedora, RHEL
	// Debian, Alpine; not told to start afresh, Debian's leaves links to what has gone
	{"/usr/local/share/ca-certificates", ".crt", []string{"update-ca-certificates"}, []string{"update-ca-certificates", "--fresh"}},
	{"/etc/ca-certificates/trust-source/anchors", ".crt", []string{"trust", "extract-compat"}, []string{"trust", "extract-compat"}}, // Arch
	{"/usr/share/pki/trust/anchors", ".crt", []string{"update-ca-certificates"}, []string{"update-ca-certificates"}},                // SUSE
}

// trustCommands are what installs the authority root, whose certificate is in
// file, in the system's trust store, or removes it; nil when that is not known.
func (m machine) trustCommands(file string, root *x509.Certificate, uninstall bool) [][]string {
	switch m.os {
	case "darwin":
		if uninstall {
			return m.sudo([]string{"security", "remove-trusted-cert", "-d", file})
		}
		return m.sudo([]string{"security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", "/Library/Keychains/System.keychain", file})
	case "windows": // the user's own store; Windows asks once more
		if uninstall {
			return [][]string{{"certutil", "-user", "-delstore", "Root", fmt.Sprintf("%x", root.SerialNumber)}}
		}
		return [][]string{{"certutil", "-user", "-addstore", "Root", file}}
	case "linux":
		for _, s := range linuxStores {
			if !m.exists(s.folder) {
				continue
			}
			fingerprint := sha256.Sum256(root.Raw)
			installed := fmt.Sprintf("%s/msctl-local-ca-%x%s", s.folder, fingerprint[:4], s.ext)
			if uninstall {
				return m.sudo([]string{"rm", "-f", installed}, s.gone)
			}
			return m.sudo([]string{"install", "-m", "0644", file, installed}, s.come)
		}
	}
	return nil
}

// sudo has the commands run by the superuser.
func (m machine) sudo(commands ...[]string) [][]string {
	if !m.privileged {
		for i, c := range commands {
			commands[i] = append([]string{"sudo", "--"}, c...)
		}
	}
	return commands
}
