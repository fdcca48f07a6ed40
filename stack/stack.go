// Package stack is the stack file: what stack.yaml declares, loaded,
// defaulted and validated, with the position of everything that was written.
//
// A Stack is a plain value. Nothing changes it after Load returned it, so it
// may be shared between goroutines.
package stack

import (
	"fmt"
	"strings"
	"time"
)

// FileName is the stack file that is looked for when none is named.
const FileName = "stack.yaml"

// Defaults. Where docker compose has the key, the value is compose's.
const (
	DefaultListen          = "127.0.0.1:8080"
	DefaultRegistryListen  = "127.0.0.1:8500" // Consul's HTTP port
	DefaultRegistryDNS     = "127.0.0.1:8600" // Consul's DNS port
	DefaultDatacenter      = "dc1"            // Consul's
	DefaultStopGracePeriod = 10 * time.Second // compose's stop_grace_period
	DefaultStopSignal      = "SIGTERM"        // compose's stop_signal
	DefaultProbeInterval   = 2 * time.Second  // calm phase; compose's 30 s is too slow at a desk
	DefaultProbeTimeout    = 2 * time.Second
	DefaultProbeRetries    = 3                // compose's healthcheck.retries
	DefaultStartPeriod     = 60 * time.Second // how long a start may take before it counts as failed to become ready
)

// Pos is a place in a file: 1-based line and column, the column in runes.
// The zero Pos means that nothing was written and a default applies.
type Pos struct {
	File string
	Line int
	Col  int
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Stack is one resolved stack: all includes merged, all variables replaced,
// all defaults applied, all paths absolute.
type Stack struct {
	Name     string
	Dir      string   // the folder of the main stack file; .msctl/ lives here
	Files    []string // every file that was read or looked for: stack files, includes, .env, env_files, package.json files that decide a reload mode (what to watch)
	Gateway  Gateway
	Registry Registry
	Services []Service // in file order, includes first

	Warnings Errors // what Load had to say, though nothing is wrong

	// DotEnv holds the variables of .env. Processes get them beneath the
	// caller's environment; containers do not.
	DotEnv map[string]string
}

// Service returns the service called name.
func (s *Stack) Service(name string) (*Service, bool) {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return &s.Services[i], true
		}
	}
	return nil, false
}

// InConsul is the name by which the registry is asked for the instances of a
// service that run elsewhere, "" where the file has their addresses.
func (s *Service) InConsul() string {
	if len(s.Endpoints) != 1 {
		return ""
	}
	name, _ := strings.CutPrefix(s.Endpoints[0], consulScheme)
	if name == s.Endpoints[0] {
		return ""
	}
	return name
}

const consulScheme = "consul://"

// Registry is the embedded registry's faces, or a real Consul's address.
type Registry struct {
	Listen     string // HTTP, host:port
	DNS        string // host:port
	Datacenter string
	Node       RegistryNode
	Consul     string // consul://host:port?dc=…, in place of the embedded one
	Pos        Pos
}

// RegistryNode is how the embedded registry's own node is known. What is left out
// is the machine's.
type RegistryNode struct {
	Name string
	ID   string // a UUID
	Meta map[string]string
}

// Kind tells what a service's end means.
type Kind string

// The kinds of service.
const (
	KindService Kind = "service" // runs until it is stopped
	KindJob     Kind = "job"     // runs to completion; exit code 0 is success
)

// Protocol is what a service speaks on its port.
type Protocol string

// The protocols of a service.
const (
	HTTP Protocol = "http" // HTTP/1.1; gRPC goes on as HTTP/2
	H2C  Protocol = "h2c"  // HTTP/2 in clear text, for every request
	TCP  Protocol = "tcp"
)

// Service is one declared service.
type Service struct {
	Name     string
	Kind     Kind
	Profiles []string
	Replicas int // at least 0

	Dir          string  // absolute working folder
	Command      Command // a process; empty for containers and external endpoints
	Setup        Command
	BuildCommand Command
	Environment  map[string]string // env_file merged beneath environment
	EnvFiles     []string

	Container *Container // image: or build:, nil for a process

	Port      int      // fixed port; 0 is automatic
	Protocol  Protocol // default HTTP
	Endpoints []string // host:port of instances that run elsewhere, or consul:// and a name alone (InConsul)
	Routes    []Route  // the short and long form of route:

	// How the gateway reaches the service, for callers from outside and within.
	Balance        Balance
	Ejection       Ejection
	Retries        *Retries // of its callers within; of routes that name none
	MaxRequests    int      // in flight at once; more wait as if no instance were ready
	ConnectTimeout time.Duration

	// What clients of the registry see of each instance.
	Tags   []string
	Meta   map[string]string
	Weight int // at least 1

	DependsOn   []Dependency
	Healthcheck Healthcheck
	Restart     Restart

	StopGracePeriod time.Duration
	StopSignal      string // "SIGTERM"
	Limits          Limits

	Watch  []string // absolute paths; nil means the defaults, empty means none (Watched)
	Poll   bool     // its files are looked at now and then: the system does not tell of changes
	Ignore []string // patterns of .gitignore, relative to Dir
	Reload Reload
	Stores []Store
	Labels map[string]string

	Pos  Pos            // of the service's name
	Keys map[string]Pos // of each key that was written, by dotted path below the service: "healthcheck.http"
}

// Command is a command as it was written. It is not interpolated when the
// file is loaded: variables are those of the service's environment at start,
// so $PORT and $BIN work. "$$" stands for one "$", as in compose.
type Command struct {
	Line string   // the string form; "" when the list form was used
	Args []string // the list form
}

// IsZero reports whether no command was given.
func (c Command) IsZero() bool { return c.Line == "" && len(c.Args) == 0 }

// Condition says when a dependency is met; the names are compose's.
type Condition string

// The conditions of depends_on.
const (
	Started   Condition = "service_started" // the default
	Healthy   Condition = "service_healthy"
	Completed Condition = "service_completed_successfully"
)

// Dependency is one entry of depends_on.
type Dependency struct {
	Service   string
	Condition Condition
	Restart   bool // compose: restart this service when the dependency was updated
	Required  bool // default true; false: a missing or unselected dependency is ignored
	Pos       Pos
}

// ProbeKind says how health is known.
type ProbeKind string

// The kinds of probe.
const (
	// ProbeDefault is what applies when nothing was written: a service that is
	// expected to listen is ready once its port accepts a connection, any
	// other once it runs.
	ProbeDefault ProbeKind = ""
	ProbeNone    ProbeKind = "none" // disable: true
	ProbeHTTP    ProbeKind = "http"
	ProbeTCP     ProbeKind = "tcp"
	ProbeExec    ProbeKind = "exec"
	ProbeGRPC    ProbeKind = "grpc"
	ProbeLog     ProbeKind = "log"
)

// Healthcheck is compose's healthcheck with more kinds of probe.
type Healthcheck struct {
	Kind ProbeKind

	HTTP       string  // path, "/readyz"; a full URL is allowed
	HTTPStatus int     // wanted status; 0 takes 200–399 (Kubernetes' rule)
	TCP        int     // port; 0 is the service's own
	Exec       Command // compose's test: ["CMD", …], ["CMD-SHELL", "…"], "…"
	GRPC       string  // service name of grpc.health.v1, may be empty
	Log        string  // regular expression on a line of output

	Interval    time.Duration
	Timeout     time.Duration
	Retries     int           // failures in a row before ready becomes unready
	StartPeriod time.Duration // a start that takes longer is reported
}

// RestartMode is compose's restart.
type RestartMode string

// The restart modes. The default is on-failure for services and no for jobs;
// compose's default is no.
const (
	RestartNo            RestartMode = "no"
	RestartOnFailure     RestartMode = "on-failure"
	RestartUnlessStopped RestartMode = "unless-stopped"
	RestartAlways        RestartMode = "always"
)

// Restart says what follows an instance's end.
type Restart struct {
	Mode RestartMode
	Max  int // on-failure:n; 0 is without end
}

// Limits are resource limits of each instance; zero means none.
type Limits struct {
	Memory int64   // bytes; mem_limit
	CPUs   float64 // cpus
	PIDs   int64   // pids_limit
	NoFile int64   // ulimits.nofile
}

// Reload says how a running instance is replaced.
type Reload struct {
	Mode     string // one of those below; Load has resolved what is automatic
	Signal   string
	MaxSurge int           // replacements that run beside the old instances at once, at least 1
	Drain    time.Duration // what is in flight at an old instance may take so long
}

// The modes of Reload.
const (
	ReloadSwap    = "swap"    // a replacement starts beside the old instance
	ReloadRestart = "restart" // the old instance is stopped first
	ReloadSocket  = "socket"  // as swap, on one socket that is handed from instance to instance
	ReloadSignal  = "signal"  // the instance reloads itself when it gets Signal
	ReloadNone    = "none"    // changes are the instance's own business, or nobody's
)

// Defaults of Reload.
const (
	DefaultMaxSurge = 1                // as of Kubernetes' Deployment with few replicas
	DefaultDrain    = 10 * time.Second // compose's default to stop
)

// Container is what only containers have.
type Container struct {
	Image      string
	PullPolicy string
	Build      *Build
	Entrypoint Command
	Volumes    []string
	Ports      []string
	User       string
	WorkingDir string
	Platform   string
	Init       bool
	ReadOnly   bool
	CapDrop    []string
	CapAdd     []string
	Tmpfs      []string
	ExtraHosts []string
}

// Build is compose's build.
type Build struct {
	Context    string // absolute
	Dockerfile string
	Args       map[string]string
	Target     string
}

// Store is a data store of a service's own.
type Store struct {
	Name    string // key in the map form, the engine otherwise
	Engine  string // sqlite, postgres, mysql, redis, …
	Version string
	Options map[string]any
	Pos     Pos
}
