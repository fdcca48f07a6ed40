// Package control is the API of a running stack: HTTP over a unix socket in
// the stack's state folder, for its user alone. The commands, the dashboard
// and CI scripts are its clients, and cannot tell a stack of their own process
// from one that they attached to.
//
//	GET  /v1/status                 Status
//	GET  /v1/snapshot?after=N       registry.Snapshot, once it is newer than N; 204 after a while without
//	POST /v1/actions   Action       Result
//	POST /v1/logs      LogQuery     a stream of logs.Batch, one JSON value each
//	GET  /v1/routes                 []Route
//	POST /v1/routes/match  MatchQuery  Match; null when no route matches
//	POST /v1/requests  RequestQuery  a stream of RequestBatch, one JSON value each
//	GET  /v1/graph                  Graph
//	GET  /v1/metrics                the gateway's, in Prometheus' text format
//	GET  /v1/env?service=NAME       Environment
//
// An error is a JSON object of an Error with the status of its kind.
package control

import (
	"net/http"
	"time"

	"github.com/msctl/msctl/logs"
)

// Verb is what an Action does.
type Verb string

// The verbs.
const (
	Apply   Verb = "apply"   // load the stack file again and follow it
	Start   Verb = "start"   // start services that are stopped or have ended
	Stop    Verb = "stop"    // stop services
	Restart Verb = "restart" // stop services and start them anew
	Reload  Verb = "reload"  // have services run what their files are now, without a gap
	Scale   Verb = "scale"   // set numbers of replicas
	Down    Verb = "down"    // stop all, and end
)

// Action is what a client asks for. It is answered once it has begun: how far
// it has come is in the snapshots.
type Action struct {
	Verb     Verb           `json:"verb"`
	Services []string       `json:"services,omitempty"`
	Replicas map[string]int `json:"replicas,omitempty"` // Scale
	Profiles []string       `json:"profiles,omitempty"` // Apply
	File     string         `json:"file,omitempty"`     // Apply: the stack file that is meant
	Environ  []string       `json:"environ,omitempty"`  // Apply: the caller's, for interpolation
	NoDeps   bool           `json:"no_deps,omitempty"`  // Apply
	DryRun   bool           `json:"dry_run,omitempty"`  // Apply: only say what would be done
}

// Step is one thing that an action does.
type Step struct {
	Action   string   `json:"action"`
	Instance string   `json:"instance"`
	Cause    string   `json:"cause,omitempty"`
	After    []string `json:"after,omitempty"`
}

// Result is what an action has begun; Revision is the registry's before it.
type Result struct {
	Steps    []Step `json:"steps"`
	Revision uint64 `json:"revision"`
}

// Status is what there is to know of a running stack beside its instances.
type Status struct {
	Stack    string    `json:"stack"`
	Dir      string    `json:"dir"`
	File     string    `json:"file"`
	PID      int       `json:"pid"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Gateway  string    `json:"gateway,omitempty"`  // host:port of the front door
	URL      string    `json:"url,omitempty"`      // of the front door, without a path
	Admin    string    `json:"admin,omitempty"`    // URL of the gateway's own pages, /_msctl/
	Registry string    `json:"registry,omitempty"` // URL of the registry's Consul API
	DNS      string    `json:"dns,omitempty"`      // host:port of the registry's DNS
	Notes    []string  `json:"notes,omitempty"`    // what is otherwise than one would expect
	Services []Service `json:"services"`
	Problem  string    `json:"problem,omitempty"` // why the stack file, as it is now, was not applied
}

// Service is a declared service.
type Service struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Selected bool     `json:"selected"`       // it is meant to run
	URLs     []string `json:"urls,omitempty"` // at the gateway
	Depends  []string `json:"depends,omitempty"`
}

// Route is one route of the gateway.
type Route struct {
	Pattern  string   `json:"pattern"` // "POST shop.localhost/orders"
	URL      string   `json:"url"`
	Service  string   `json:"service"` // "" for a redirect
	Strip    string   `json:"strip,omitempty"`
	Rewrite  string   `json:"rewrite,omitempty"`
	Redirect string   `json:"redirect,omitempty"` // in place of a service: "308 /new"
	Declared string   `json:"declared,omitempty"` // file:line:col
	Ready    []string `json:"ready"`              // addresses of ready instances
	Shadowed string   `json:"shadowed,omitempty"` // by which pattern
}

// MatchQuery is a request of the front door that need not be made.
type MatchQuery struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"` // or a path; its host is what the Host field would be
	Headers http.Header `json:"headers,omitempty"`
}

// Match is the route that takes a request.
type Match struct {
	Route Route   `json:"route"`
	Why   string  `json:"why"`
	Over  []Route `json:"over,omitempty"` // that match as well, the most specific first
}

// Environment is what an instance of a service gets beside the system's
// variables, and the folder it runs in.
type Environment struct {
	Env []string `json:"env"`
	Dir string   `json:"dir"`
}

// LogQuery says which of the logs a client wants.
type LogQuery struct {
	logs.Query
	Follow bool       `json:"follow,omitempty"`
	Grep   string     `json:"grep,omitempty"` // with Invert and Level: Tail counts only lines that pass
	Invert bool       `json:"invert,omitempty"`
	Level  logs.Level `json:"level,omitempty"`
}

// Error is an error as it travels: what Error and Hint say on one side they
// say on the other.
type Error struct {
	Message string `json:"error"`
	Advice  string `json:"hint,omitempty"`
	Code    int    `json:"code,omitempty"` // exit code, when the error has one
}

func (e *Error) Error() string { return e.Message }

// Hint tells what to do.
func (e *Error) Hint() string { return e.Advice }

// ExitCode is the exit code that belongs to the error, 0 for none in particular.
func (e *Error) ExitCode() int { return e.Code }
