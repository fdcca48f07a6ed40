package consul

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/msctl/msctl/registry/catalog"
)

// definition is a service as clients register it.
type definition struct {
	ID                string
	Name              string
	Kind              string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]catalog.Address
	Meta              map[string]string
	Port              int
	Weights           *catalog.Weights
	EnableTagOverride bool
	Check             *checkDefinition
	Checks            []checkDefinition
	Token             string
	Proxy             json.RawMessage // taken, and ignored: there is no mesh
	Connect           json.RawMessage
	Namespace         string
	Partition         string
	Locality          json.RawMessage
	SocketPath        string
}

// UnmarshalJSON implements json.Unmarshaler: strict, as Consul's is.
func (d *definition) UnmarshalJSON(b []byte) error {
	type plain definition
	return strict(b, (*plain)(d))
}

// checkDefinition is a check as clients register it.
type checkDefinition struct {
	checkRun

	// What is refused, if it is there, and what is taken and ignored.
	UDP, H2PING, AliasNode, AliasService string   `json:",omitempty"`
	OSService, DockerContainerID, Shell  string   `json:",omitempty"`
	Args, ScriptArgs                     []string `json:",omitempty"`
	H2PingUseTLS                         bool     `json:",omitempty"`
	Token, Namespace, Partition          string   `json:",omitempty"`
}

// checkRun is what is kept of it, to run it.
type checkRun struct {
	ID                             string              `json:",omitempty"`
	CheckID                        string              `json:",omitempty"`
	Name                           string              `json:",omitempty"`
	Notes                          string              `json:",omitempty"`
	ServiceID                      string              `json:",omitempty"`
	Status                         catalog.Status      `json:",omitempty"`
	TTL                            catalog.Duration    `json:",omitempty"`
	Interval                       catalog.Duration    `json:",omitempty"`
	Timeout                        catalog.Duration    `json:",omitempty"`
	DeregisterCriticalServiceAfter catalog.Duration    `json:",omitempty"`
	HTTP                           string              `json:",omitempty"`
	Method                         string              `json:",omitempty"`
	Body                           string              `json:",omitempty"`
	Header                         map[string][]string `json:",omitempty"`
	DisableRedirects               bool                `json:",omitempty"`
	TCP                            string              `json:",omitempty"`
	TCPUseTLS                      bool                `json:",omitempty"`
	GRPC                           string              `json:",omitempty"`
	GRPCUseTLS                     bool                `json:",omitempty"`
	TLSServerName                  string              `json:",omitempty"`
	TLSSkipVerify                  bool                `json:",omitempty"`
	SuccessBeforePassing           int                 `json:",omitempty"`
	FailuresBeforeWarning          int                 `json:",omitempty"`
	FailuresBeforeCritical         int                 `json:",omitempty"`
	OutputMaxSize                  int                 `json:",omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *checkDefinition) UnmarshalJSON(b []byte) error {
	type plain checkDefinition
	return strict(b, (*plain)(d))
}

// strict decodes an object of which no field is unknown. Names are those of the
// fields in any case, or in snake_case (Consul's aliases).
func strict(b []byte, into any) error {
	if d := json.NewDecoder(bytes.NewReader(b)); !bytes.Contains(b, []byte("_")) {
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) { // of two that mean the same, always the same one counts
		if plain := strings.ReplaceAll(name, "_", ""); plain != name {
			fields[plain] = fields[name]
			delete(fields, name)
		}
	}
	normal, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(normal))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// body decodes what a client sent.
func body(r *http.Request, into any) error { return bounded(r, into, maxBody) }

// bounded decodes what has at most so many bytes.
func bounded(r *http.Request, into any, most int64) error {
	b, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, most))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return failf(http.StatusRequestEntityTooLarge, "Request body too large: want at most %d bytes", most)
	}
	if err != nil {
		return failf(http.StatusBadRequest, "Request decode failed: %v", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return failf(http.StatusBadRequest, "Request decode failed: %v", err)
	}
	return nil
}

// The bounds of what a registration says of itself (Consul's).
const (
	maxMeta      = 64
	maxMetaKey   = 128
	maxMetaValue = 512
)

func validMeta(meta map[string]string) error {
	if len(meta) > maxMeta {
		return fmt.Errorf("Node metadata cannot contain more than %d key/value pairs", maxMeta)
	}
	for key, value := range meta {
		switch {
		case key == "":
			return errors.New("Key cannot be blank") //nolint:staticcheck // Consul's words
		case len(key) > maxMetaKey:
			return fmt.Errorf("Key is too long (limit: %d characters)", maxMetaKey) //nolint:staticcheck // Consul's words
		case len(value) > maxMetaValue:
			return fmt.Errorf("Value is too long (limit: %d characters)", maxMetaValue) //nolint:staticcheck // Consul's words
		}
	}
	return nil
}
