package cmd

import "testing"

func TestResolverSetup(t *testing.T) {
	for _, test := range []struct {
		system  string
		systemd bool
		want    string
	}{
		{"darwin", false, `printf 'nameserver 127.0.0.1\nport 8600\n' | sudo tee /etc/resolver/consul`},
		{"linux", true, `printf '[Resolve]\nDNS=127.0.0.1:8600\nDomains=~consul\n' | sudo tee /etc/systemd/resolved.conf.d/consul.conf && sudo systemctl restart systemd-resolved`},
		{"linux", false, "server=/consul/127.0.0.1#8600 in dnsmasq's configuration; for one question: dig @127.0.0.1 -p 8600 NAME.service.consul"},
	} {
		if got := resolverSetup("127.0.0.1", "8600", test.system, test.systemd); got != test.want {
			t.Errorf("%s: got %s", test.system, got)
		}
	}
}
