package cmd

import (
	"context"
	"fmt"
	"net"
	"os"
	goruntime "runtime"

	"github.com/msctl/msctl/control"
	"github.com/msctl/msctl/stack"
)

// resolved is there where systemd-resolved answers for the machine.
const resolved = "/run/systemd/resolve"

// resolverHelp is how the registry's DNS is asked, and how all of this machine's
// programs come to ask it.
func resolverHelp(ctx context.Context, st *stack.Stack) []finding {
	at := st.Registry.DNS
	if st.Registry.Consul != "" {
		return nil
	}
	if client, err := control.Dial(st.Dir); err == nil {
		if status, err := client.Status(ctx); err == nil && status.DNS != "" {
			at = status.DNS
		}
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil || port == "0" {
		return nil // it is known while the stack runs
	}
	_, err = os.Stat(resolved)
	return []finding{{
		Check: "registry.dns", OK: true, Found: at + " answers for names that end with .consul, while the stack is up",
		Hint: "for all programs of this machine: " + resolverSetup(host, port, goruntime.GOOS, err == nil),
	}}
}

// resolverSetup is the command that has a system ask host:port for .consul.
func resolverSetup(host, port, system string, systemd bool) string {
	switch {
	case system == "darwin":
		return fmt.Sprintf(`printf 'nameserver %s\nport %s\n' | sudo tee /etc/resolver/consul`, host, port)
	case system == "linux" && systemd:
		return fmt.Sprintf(`printf '[Resolve]\nDNS=%s\nDomains=~consul\n' | sudo tee /etc/systemd/resolved.conf.d/consul.conf && sudo systemctl restart systemd-resolved`, net.JoinHostPort(host, port))
	}
	return fmt.Sprintf("server=/consul/%s#%s in dnsmasq's configuration; for one question: dig @%s -p %s NAME.service.consul", host, port, host, port)
}
