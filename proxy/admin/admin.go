// Package admin is what the gateway shows of itself under /_msctl/, on a
// listener of its own: routes, metrics, recent requests, and the merged
// OpenAPI document of all services with a page to try them. It is for browsers
// and tools of this machine, and refuses what comes from elsewhere.
package admin

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/msctl/msctl/proxy/wire"
)

// root is where everything is.
const root = "/_msctl/"

// Source is the gateway as it is seen here. Its methods are safe for
// concurrent use and return copies.
type Source interface {
	View() View
	// Requests are the recent ones, oldest first, as a value that encodes as
	// a JSON array.
	Requests() any
	// WriteMetrics writes them in Prometheus' text format.
	WriteMetrics(w io.Writer) error
}

// View is the gateway's configuration, and where its services are just now.
type View struct {
	Front    string    `json:"front"` // URL of the front door, without a path; "" while it is off
	Routes   []Route   `json:"routes"`
	Services []Service `json:"services"`
}

// Service is a service behind the gateway.
type Service struct {
	Name     string `json:"name"`
	Address  string `json:"address,omitempty"` // host:port of a ready instance; "" none
	Protocol string `json:"protocol"`          // http, h2c or tcp
}

// Route is a route of the front door: stack.Route compiled, and as data. A
// service's {service}.localhost is one as well.
type Route struct {
	Pattern  string            `json:"pattern"`        // all of what it matches, in one line
	Service  string            `json:"service"`        // "" for a redirect
	Host     string            `json:"host,omitempty"` // exact, or *.example.localhost; "" is any
	Path     string            `json:"path,omitempty"` // prefix on segment borders
	Exact    bool              `json:"exact,omitempty"`
	Regexp   string            `json:"regexp,omitempty"` // in place of Path
	Methods  []string          `json:"methods,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
	Query    map[string]string `json:"query,omitempty"`
	Strip    string            `json:"strip,omitempty"`    // prefix taken off
	Rewrite  string            `json:"rewrite,omitempty"`  // takes the place of Path
	Redirect string            `json:"redirect,omitempty"` // in place of Service
	URL      string            `json:"url,omitempty"`
	Ready    []string          `json:"ready,omitempty"`    // addresses of ready instances
	Declared string            `json:"declared,omitempty"` // file:line:col
	Shadowed string            `json:"shadowed,omitempty"` // the pattern that takes all its requests
}

// Options are what a Handler may be told.
type Options struct {
	Title string      // of the pages and the OpenAPI document: the stack's name
	TLS   *tls.Config // how a front door that speaks TLS is trusted; nil is the system's way
}

// Handler serves all of /_msctl/. It starts nothing that outlives a request.
func Handler(src Source, o Options) http.Handler {
	h := &handler{
		Source: src, Options: o,
		token: rand.Text(),
		docs:  newFetcher(),
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", http.RedirectHandler(root, http.StatusFound))
	mux.HandleFunc(root+"{$}", h.index)
	mux.HandleFunc(root+"routes", h.routes)
	mux.HandleFunc(root+"metrics", h.metrics)
	mux.HandleFunc(root+"requests", h.requests)
	mux.HandleFunc(root+"openapi.json", h.openapi)
	mux.HandleFunc(root+"docs", h.docsPage)
	mux.HandleFunc(tryPath, h.try)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s here; %s lists what there is", r.URL.Path, root))
	})
	return guard(mux)
}

type handler struct {
	Source
	Options
	token string // proves that a try comes from the page
	docs  *fetcher
}

func (h *handler) routes(w http.ResponseWriter, _ *http.Request) {
	routes := h.View().Routes
	if routes == nil {
		routes = []Route{}
	}
	sendJSON(w, routes)
}

func (h *handler) requests(w http.ResponseWriter, _ *http.Request) { sendJSON(w, h.Requests()) }

func (h *handler) metrics(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	if err := h.WriteMetrics(&b); err != nil {
		refuse(w, http.StatusInternalServerError, "metrics: "+err.Error())
		return
	}
	send(w, "text/plain; version=0.0.4; charset=utf-8", b.Bytes())
}

func (h *handler) openapi(w http.ResponseWriter, r *http.Request) {
	v := h.View()
	send(w, "application/json", merge(h.Title, v, h.docs.fetch(r.Context(), v.Services)))
}

func sendJSON(w http.ResponseWriter, v any) {
	body, err := encode(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	send(w, "application/json", body)
}

// encode is v as JSON, its texts as they are: what is sent is no HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// refuse answers with a problem document.
func refuse(w http.ResponseWriter, status int, detail string) {
	p := wire.Problem{Status: status, Title: http.StatusText(status), Detail: detail}
	w.Header().Set("Content-Type", wire.ProblemType)
	w.WriteHeader(status)
	_, _ = w.Write(p.Document())
}
