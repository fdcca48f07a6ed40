package stack

import (
	"math"
	"slices"
)

// The shapes of a stack file, from the leaves up.
var (
	str      = &shape{want: "text", text: anyText}
	boolean  = &shape{want: "true or false", text: booleanText}
	duration = &shape{want: "a duration such as 10s or 1m30s", text: durationText}
	port     = &shape{want: "a port from 1 to 65535", text: wholeText(1, math.MaxUint16)}
	listen   = &shape{want: "an address such as 127.0.0.1:8080", text: listenText}
	count    = &shape{want: "a whole number of at least 0", text: wholeText(0, math.MaxInt32)}
	size     = &shape{want: "a size in bytes such as 512m or 1g", text: sizeText}
	command  = &shape{want: "a command, as text or as a list of arguments", text: commandText, list: &shape{want: "an argument", text: &text{
		accepts: anyText.accepts, schema: anyText.schema, strings: true, verbatim: true,
	}}}
	texts   = &shape{want: "text or a list of texts", text: anyText, list: str}
	signal  = &shape{want: "a signal such as SIGTERM", text: signalText}
	options = &shape{want: "a value, a list or a mapping", text: anyText}

	variables = &shape{
		want: "a mapping of names to values, or a list of NAME=value",
		free: str, list: &shape{want: "NAME=value", text: anyText},
	}
	labels = &shape{
		want: "a mapping of labels to values, or a list of label=value",
		free: str, list: &shape{want: "label=value", text: anyText},
	}
	envFile = &shape{
		want: "a path, or a list of paths", text: anyText,
		list: &shape{want: "a path, or path and required", text: anyText, keys: []key{
			{"path", "the file, relative to the stack file", str},
			{"required", "whether a missing file is an error (default true)", boolean},
		}},
	}
	condition = &shape{
		want: "service_started, service_healthy or service_completed_successfully",
		text: oneOf(string(Started), string(Healthy), string(Completed)),
	}
	dependsOn = &shape{
		want: "a list of services, or a mapping of services to conditions",
		list: &shape{want: "a service", text: anyText},
		free: &shape{want: "a mapping with condition", keys: []key{
			{"condition", "when the dependency is met (default service_started)", condition},
			{"restart", "restart this service when the dependency was restarted", boolean},
			{"required", "false: a dependency that is not there is ignored", boolean},
		}},
	}
	healthcheck = &shape{
		want: "a mapping with one of http, tcp, exec, grpc and log",
		keys: []key{
			{"http", "a path or URL that answers with a status from 200 to 399", &shape{want: "a path that starts with /, or a URL", text: probeText}},
			{"status", "the one status that http must answer with", &shape{want: "a status from 100 to 599", text: wholeText(100, 599)}},
			{"tcp", "a port that accepts connections; true for the service's own", &shape{want: "a port from 1 to 65535, or true", text: tcpText}},
			{"exec", "a command that exits with 0", command},
			{"test", "compose's form of exec: [CMD, …], [CMD-SHELL, …] or text", command},
			{"grpc", "a service name of grpc.health.v1; true for the server as a whole", str},
			{"log", "a regular expression that a line of output matches", &shape{want: "a regular expression", text: regexpText}},
			{"disable", "true: ready once it runs", boolean},
			{"interval", "time between probes of a ready instance (default 2s)", aboveZero},
			{"timeout", "how long one probe may take (default 2s)", aboveZero},
			{"retries", "failures in a row that make a ready instance unready (default 3)", fromOne},
			{"start_period", "how long a start may take (default 60s)", duration},
		},
		foreign: map[string]string{"start_interval": "remove it: while a service starts, it is probed from every 5 ms on"},
	}
	tcpText = &text{
		schema: map[string]any{"anyOf": []any{map[string]any{"const": true}, map[string]any{"type": "integer", "minimum": 1, "maximum": math.MaxUint16}}},
		accepts: func(s string) (string, bool) {
			n, ok := parseWhole(s)
			return "", s == "true" || ok && n >= 1 && n <= math.MaxUint16
		},
	}

	build = &shape{want: "a folder, or a mapping with context", text: anyText, keys: []key{
		{"context", "the folder that is built (default: the stack file's)", str},
		{"dockerfile", "the Dockerfile, relative to context", str},
		{"args", "build arguments", variables},
		{"target", "the stage to build", str},
	}}
	reloadMode = oneOf(reloadAuto, ReloadSwap, ReloadRestart, ReloadSocket, ReloadNone)
	reload     = &shape{want: "auto, swap, restart, socket or none, or a mapping with mode or signal", text: reloadMode, keys: []key{
		{
			"mode", "swap: a replacement starts beside the old instance; restart: the old one stops first; socket: as swap, on one socket that is handed over; " +
				"none: it reloads by itself (default auto: swap; restart with a fixed port; none for what is known to reload by itself, and for jobs without watch)",
			&shape{want: "auto, swap, restart, socket or none", text: reloadMode},
		},
		{"signal", "in place of mode: a signal that makes the service reload itself", signal},
		{"max_surge", "replacements that start at once, with swap and socket (default 1)", fromOne},
		{"drain", "how long an old instance may finish what is in flight (default 10s)", duration},
	}}
	watch = &shape{want: "a path, a list of paths, off, or a mapping with paths and poll", text: anyText, list: str, keys: []key{
		{"paths", "files and folders, relative to dir; they need not be there yet", texts},
		{"poll", "true: look at the files now and then, where the system does not tell of changes, as on network mounts", boolean},
	}}
	engine = oneOf("sqlite", "postgres", "mysql", "redis", "mongodb", "nats")
	// A store by name takes the options of its engine, which store checks.
	store = &shape{want: "an engine such as postgres, or a mapping with engine", text: engine, keys: []key{
		{"engine", "sqlite, postgres, mysql, redis, mongodb or nats", &shape{want: "sqlite, postgres, mysql, redis, mongodb or nats", text: engine}},
		{"version", "of the engine", str},
		{"options", "settings of the engine", &shape{want: "a mapping", free: options}},
	}}
	stores = &shape{want: "a mapping of names to stores", free: store, name: &names{"a name of a-z, 0-9, - and _", namePattern}}

	serviceName = &names{"a service name of at most 60 of a-z, 0-9, - and _", namePattern}

	service = &shape{want: "a mapping", foreign: composeService, keys: slices.Concat([]key{
		{"dir", "the folder it runs in, relative to the stack file", str},
		{"command", "what runs as a process; PORT and $BIN are given", command},
		{"setup", "runs before the first start, and again when the files that it reads have changed", command},
		{"build_command", "runs before each start; writes the program to $BIN", command},
		{"kind", "service, or job: runs to completion", &shape{want: "service or job", text: oneOf(string(KindService), string(KindJob))}},
		{"image", "a container's image", str},
		{"pull_policy", "when the image is pulled", &shape{want: "always, missing, never or build", text: oneOf("always", "missing", "never", "build")}},
		{"build", "a container is built from this folder", build},
		{"entrypoint", "replaces the image's entry point", command},
		{"volumes", "a container's volumes and bind mounts", texts},
		{"ports", "ports of a container that are published", texts},
		{"user", "the user in the container", str},
		{"working_dir", "the folder in the container", str},
		{"platform", "the image's platform", str},
		{"init", "an init process in the container", boolean},
		{"read_only", "the container's file system is read-only", boolean},
		{"cap_add", "capabilities that the container gets", texts},
		{"cap_drop", "capabilities that the container loses", texts},
		{"tmpfs", "folders of the container that are in memory", texts},
		{"extra_hosts", "names that the container knows, host:address", texts},
		{"environment", "variables of the service", variables},
		{"env_file", "files of variables, beneath environment", envFile},
		{"port", "a fixed port; automatic when left out", port},
		{"protocol", "http, h2c for HTTP/2 in clear text alone, or tcp for anything else", &shape{want: "http, h2c or tcp", text: oneOf(string(HTTP), string(H2C), string(TCP))}},
		{"endpoints", "host:port of instances that run elsewhere, or consul://NAME of those that the registry has", &shape{
			want: "an address, or a list of addresses such as 127.0.0.1:2525", text: endpointText,
			list: &shape{want: "an address such as 127.0.0.1:2525", text: endpointText},
		}},
		{"route", "where the gateway serves it: a path prefix that is taken off, or the long form", route},
		{"replicas", "how many instances run (default 1)", count},
		{"depends_on", "services that have to be there first; <NAME>_URL leads to each", dependsOn},
		{"healthcheck", "how it is known that the service may take traffic", healthcheck},
		{"restart", "no, on-failure[:n], unless-stopped or always (default on-failure; no for jobs)", &shape{want: "no, on-failure[:n], unless-stopped or always", text: restartText}},
		{"stop_grace_period", "time between the stop signal and SIGKILL (default 10s)", duration},
		{"stop_signal", "the signal that stops it (default SIGTERM)", signal},
		{"mem_limit", "memory of each instance", size},
		{"cpus", "CPUs of each instance", &shape{want: "a number of at least 0", text: cpusText}},
		{"pids_limit", "processes of each instance", count},
		{"ulimits", "limits of each instance", &shape{want: "a mapping with nofile", keys: []key{{"nofile", "open files", count}}}},
		{"profiles", "the service runs only when one of these is enabled", texts},
		{"watch", "files and folders whose changes reload it, relative to dir; off for none (default: its sources)", watch},
		{"ignore", "patterns of .gitignore, relative to dir: what is not watched", texts},
		{"reload", "how a running instance is replaced (default auto)", reload},
		{"store", "a data store of its own", store},
		{"stores", "data stores of its own, by name", stores},
		{"tags", "what the registry has it under, beside its name", texts},
		{"meta", "what the registry says of each instance", labels},
		{"weight", "the share of an instance, for clients of the registry (default 1)", &shape{want: "a whole number from 1 to 65535", text: wholeText(1, math.MaxUint16)}},
		{"labels", "whatever you want to say about it", labels},
	}, reachKeys)}

	registry = &shape{want: "a mapping with listen and dns, or consul://host:port", text: consulText, keys: []key{
		{"listen", "its HTTP API (default 127.0.0.1:8500)", listen},
		{"dns", "its DNS (default 127.0.0.1:8600)", listen},
		{"datacenter", "its datacenter (default dc1)", &shape{want: "a name of letters, digits, - and _", text: datacenterText}},
		{"node", "what its node is called, and says of itself", &shape{want: "a mapping with name, id and meta", keys: []key{
			{"name", "its name (default: this machine's)", &shape{want: "a name of letters, digits, -, _ and .", text: nodeText}},
			{"id", "its UUID (default: made of its name)", &shape{want: "a UUID", text: uuidText}},
			{"meta", "whatever you want to say about it", labels},
		}}},
	}}

	root = &shape{
		want: "a mapping with services", foreign: map[string]string{
			"version": "remove it: the stack file has no version", "networks": "remove it: every service reaches its dependencies at <NAME>_URL",
			"volumes": "remove it: volumes are made as services name them", "configs": "use environment or env_file", "secrets": "use environment or env_file",
		},
		keys: []key{
			{"name", "the stack's name (default: its folder's)", &shape{want: "a name of a-z, 0-9, - and _", text: nameText}},
			{"include", "stack files whose services are part of this one", texts},
			{"gateway", "the front door; off for none", gateway},
			{"registry", "the embedded registry, or consul://host:port", registry},
			{"services", "what runs", &shape{want: "a mapping of names to services", free: service, name: serviceName}},
		},
	}
)

// composeService are keys of a compose service that msctl leaves out, and what
// takes their place.
var composeService = map[string]string{
	"container_name": "remove it: instances are called <service>-<n>",
	"deploy":         "use replicas, cpus and mem_limit",
	"scale":          "use replicas",
	"expose":         "use port",
	"networks":       "remove it: every service reaches its dependencies at <NAME>_URL",
	"network_mode":   "remove it: every service reaches its dependencies at <NAME>_URL",
	"links":          "use depends_on: <NAME>_URL leads to each",
	"develop":        "use watch",
	"secrets":        "use environment or env_file",
	"configs":        "use environment or env_file",
	"logging":        "remove it: msctl logs keeps what every service writes",
	"hostname":       "remove it: every service reaches its dependencies at <NAME>_URL",
	"extends":        "use an anchor, or include",
}
