package proxy

import "github.com/msctl/msctl/proxy/observe"

// Recorder is what was seen of the gateway's requests.
func (g *Gateway) Recorder() *observe.Recorder { return g.recorder }
