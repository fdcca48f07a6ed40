package catalog

import (
	"encoding/json"
	"reflect"
	"time"
)

// Status is what a check last came to.
type Status string

// The statuses of a check, in Consul's words.
const (
	Passing  Status = "passing"
	Warning  Status = "warning"
	Critical Status = "critical"
)

// Valid reports whether s is one of the three.
func (s Status) Valid() bool { return s == Passing || s == Warning || s == Critical }

// Node is a machine that has services. Its JSON, as that of the other records,
// has Consul's names (agent/structs.Node).
type Node struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	CreateIndex     uint64
	ModifyIndex     uint64
}

// Address is where a service is reached from somewhere.
type Address struct {
	Address string
	Port    int
}

// Weights are an instance's shares of the traffic, by its status.
type Weights struct {
	Passing int
	Warning int
}

// Service is one instance of a service on a node.
type Service struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]Address `json:",omitempty"`
	Meta              map[string]string
	Port              int
	Weights           Weights
	EnableTagOverride bool
	CreateIndex       uint64
	ModifyIndex       uint64
}

// Check is what is known of the health of a service, or of a node.
type Check struct {
	Node        string
	CheckID     string
	Name        string
	Status      Status
	Notes       string
	Output      string
	ServiceID   string
	ServiceName string
	ServiceTags []string
	Type        string
	Interval    string
	Timeout     string
	ExposedPort int
	Definition  Definition
	CreateIndex uint64
	ModifyIndex uint64
}

// Definition is how a check is run, as far as the catalog tells.
type Definition struct {
	Interval                       Duration `json:",omitempty"`
	Timeout                        Duration `json:",omitempty"`
	DeregisterCriticalServiceAfter Duration `json:",omitempty"`
	HTTP                           string   `json:",omitempty"`
	Method                         string   `json:",omitempty"`
	TCP                            string   `json:",omitempty"`
	GRPC                           string   `json:",omitempty"`
	GRPCUseTLS                     bool     `json:",omitempty"`
}

// Duration is a time.Duration that JSON has as text ("10s"); it is read as a
// number of nanoseconds, too.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var ns int64
	if json.Unmarshal(b, &ns) == nil {
		*d = Duration(ns)
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	if text == "" {
		*d = 0
		return nil
	}
	read, err := time.ParseDuration(text)
	*d = Duration(read)
	return err
}

// same reports whether two records say the same, whenever they were made.
func (n Node) same(o Node) bool {
	n.CreateIndex, n.ModifyIndex = o.CreateIndex, o.ModifyIndex
	return reflect.DeepEqual(n, o)
}

func (s Service) same(o Service) bool {
	s.CreateIndex, s.ModifyIndex = o.CreateIndex, o.ModifyIndex
	return reflect.DeepEqual(s, o)
}

func (c Check) same(o Check) bool {
	c.CreateIndex, c.ModifyIndex = o.CreateIndex, o.ModifyIndex
	return reflect.DeepEqual(c, o)
}
