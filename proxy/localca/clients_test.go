package localca

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
)

// TestClients has the programs that docs/tls.md names trust the authority, and
// nothing else of this machine.
func TestClients(t *testing.T) {
	a := open(t, t.TempDir())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("hello"))
	}))
	server.Listener = tls.NewListener(server.Listener, config(t, a)) // StartTLS would add a certificate of its own
	server.Start()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	byName, byAddress := "https://localhost:"+port, "https://127.0.0.1:"+port
	const (
		python = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
		node   = "fetch(process.argv[1]).then(r => r.text()).then(console.log)"
	)
	for _, tt := range []struct {
		variable string
		argv     []string
	}{
		{"CURL_CA_BUNDLE", []string{"curl", "--silent", "--show-error"}},
		{"SSL_CERT_FILE", []string{"python3", "-c", python}},
		{"NODE_EXTRA_CA_CERTS", []string{"node", "-e", node}},
	} {
		for _, url := range []string{byName, byAddress} {
			t.Run(tt.argv[0]+" "+url[:13], func(t *testing.T) {
				require(t, tt.argv[0])
				run := func(env string) (string, error) {
					c := exec.CommandContext(t.Context(), tt.argv[0], append(tt.argv[1:len(tt.argv):len(tt.argv)], url)...)
					c.Env = append(os.Environ(), "NO_PROXY=*", "no_proxy=*", env)
					out, err := c.CombinedOutput()
					return string(out), err
				}
				if out, err := run(tt.variable + "=" + a.File()); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				if out, err := run("UNRELATED=1"); err == nil {
					t.Errorf("it trusts the authority without being told to: %s", out)
				}
			})
		}
	}
}
