package consul

import (
	"net/http"
	"strings"

	"github.com/msctl/msctl/registry/catalog"
)

// handler routes what there is. A path that takes another method is answered
// 405, with Allow.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]func(*http.Request) (answer, error){
		"GET /v1/agent/self":                          s.agentSelf,
		"GET /v1/agent/members":                       s.agentMembers,
		"GET /v1/agent/services":                      s.agentServices,
		"GET /v1/agent/checks":                        s.agentChecks,
		"GET /v1/agent/service/{id...}":               s.agentService,
		"GET /v1/agent/health/service/id/{id...}":     s.agentHealthOfID,
		"GET /v1/agent/health/service/name/{name...}": s.agentHealthOfName,
		"PUT /v1/agent/service/register":              s.registerService,
		"PUT /v1/agent/service/deregister/{id...}":    s.deregisterService,
		"PUT /v1/agent/service/maintenance/{id...}":   s.serviceMaintenance,
		"PUT /v1/agent/maintenance":                   s.nodeMaintenance,
		"PUT /v1/agent/check/register":                s.registerCheck,
		"PUT /v1/agent/check/deregister/{id...}":      s.deregisterCheck,
		"PUT /v1/agent/check/pass/{id...}":            s.noteCheck(catalog.Passing),
		"PUT /v1/agent/check/warn/{id...}":            s.noteCheck(catalog.Warning),
		"PUT /v1/agent/check/fail/{id...}":            s.noteCheck(catalog.Critical),
		"PUT /v1/agent/check/update/{id...}":          s.updateCheck,
		"GET /v1/catalog/datacenters":                 s.datacenters,
		"GET /v1/catalog/nodes":                       s.read(about(catalog.Nodes), s.catalogNodes),
		"GET /v1/catalog/services":                    s.read(about(catalog.Services), s.catalogServices),
		"GET /v1/catalog/service/{name...}":           s.read(aboutService, s.catalogService),
		"GET /v1/catalog/node/{name...}":              s.read(aboutNode, s.catalogNode),
		"GET /v1/catalog/node-services/{name...}":     s.read(aboutNode, s.catalogNodeServices),
		"PUT /v1/catalog/register":                    s.catalogRegister,
		"PUT /v1/catalog/deregister":                  s.catalogDeregister,
		"GET /v1/health/service/{name...}":            s.read(aboutService, s.healthService),
		"GET /v1/health/checks/{name...}":             s.read(aboutService, s.healthChecks),
		"GET /v1/health/node/{name...}":               s.read(aboutNode, s.healthNode),
		"GET /v1/health/state/{state}":                s.read(aboutState, s.healthState),
		"PUT /v1/session/create":                      s.createSession,
		"PUT /v1/session/destroy/{id...}":             s.destroySession,
		"PUT /v1/session/renew/{id...}":               s.renewSession,
		"GET /v1/session/info/{id...}":                s.session,
		"GET /v1/session/list":                        s.sessions,
		"GET /v1/session/node/{node...}":              s.sessions,
		"PUT /v1/txn":                                 s.txn,
		"GET /v1/status/leader":                       s.leader,
		"GET /v1/status/peers":                        s.peers,
	} {
		mux.Handle(pattern, s.handle(f))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			other := r.WithContext(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" {
				notAllowed(w, r, method)
				return
			}
		}
		http.Error(w, "msctl's registry has no "+r.URL.Path+" of Consul's API", http.StatusNotFound)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, kvPath) {
			s.kv(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func notAllowed(w http.ResponseWriter, r *http.Request, allowed string) {
	w.Header().Set("Allow", "OPTIONS,"+allowed)
	http.Error(w, "method "+r.Method+" not allowed", http.StatusMethodNotAllowed)
}

func (s *Server) datacenters(*http.Request) (answer, error) {
	return answer{value: []string{s.options.Datacenter}}, nil
}

func (s *Server) leader(*http.Request) (answer, error) { return answer{value: leaderAddress}, nil }

func (s *Server) peers(*http.Request) (answer, error) {
	return answer{value: []string{leaderAddress}}, nil
}

// leaderAddress is where a Consul has its RPC: clients only look whether it is
// there.
const leaderAddress = "127.0.0.1:8300"
