package mirror

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/hashicorp/consul/api"
)

// Config is the configuration for consul://host:port?dc=…&token=…&tls=true. What
// the URL leaves out is that of the environment, by the variables of Consul's own
// commands: CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT, CONSUL_CLIENT_CERT and
// the others.
func Config(raw string) (*api.Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	c := api.DefaultNonPooledConfig()
	c.Address, c.Transport = u.Host, nil
	if u.Port() == "" {
		c.Address = u.Host + ":8500"
	}
	q := u.Query()
	if dc := q.Get("dc"); dc != "" {
		c.Datacenter = dc
	}
	if token := q.Get("token"); token != "" {
		c.Token, c.TokenFile = token, ""
	}
	if text := q.Get("tls"); text != "" {
		tls, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("tls=%s: want true or false", text)
		}
		c.Scheme = map[bool]string{false: "http", true: "https"}[tls]
	}
	for name := range q {
		if name != "dc" && name != "token" && name != "tls" {
			return nil, fmt.Errorf("%s: want dc, token or tls", name)
		}
	}
	return c, nil
}
