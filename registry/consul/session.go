package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/msctl/msctl/registry/catalog"
	"github.com/msctl/msctl/registry/keys"
)

// The times of sessions. They are Consul's, but for minTTL, which is 10 s there:
// what is tried out locally need not wait for so long.
const (
	minTTL           = time.Second
	maxTTL           = 24 * time.Hour
	defaultLockDelay = 15 * time.Second
	maxLockDelay     = time.Minute
)

// sessionDefinition is a session as clients want it.
type sessionDefinition struct {
	Name, Node, Behavior, TTL string
	LockDelay                 *lockDelay
	Checks, NodeChecks        []string // Checks is what NodeChecks was called first
	ServiceChecks             []keys.ServiceCheck
}

// lockDelay is read as text, as a number of nanoseconds, or as a small number of
// seconds (Consul's lockDelayMinThreshold).
type lockDelay time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *lockDelay) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n < 1000 {
		*d = lockDelay(time.Duration(n) * time.Second)
		return nil
	}
	return json.Unmarshal(b, (*catalog.Duration)(d))
}

func (s *Server) createSession(r *http.Request) (answer, error) {
	d := sessionDefinition{Node: s.node.Node}
	if r.ContentLength != 0 {
		if err := bounded(r, &d, maxBody); err != nil {
			return answer{}, err
		}
	}
	one := keys.Session{
		Name: d.Name, Node: d.Node, LockDelay: defaultLockDelay, Behavior: cmp.Or(d.Behavior, keys.Release), TTL: d.TTL,
		NodeChecks: slices.Concat(d.NodeChecks, d.Checks), ServiceChecks: d.ServiceChecks,
	}
	if d.LockDelay != nil {
		one.LockDelay = min(max(0, time.Duration(*d.LockDelay)), maxLockDelay)
	}
	if d.NodeChecks == nil && d.Checks == nil {
		one.NodeChecks = []string{serfHealth}
	}
	if err := validSession(one); err != nil {
		return answer{}, err
	}
	one = s.keys.Create(one)
	if err := s.relied(one); err != nil { // looked at after: a check that fails later ends it
		s.keys.Destroy(one.ID)
		return answer{}, err
	}
	return answer{value: map[string]string{"ID": one.ID}}, nil
}

func validSession(one keys.Session) error {
	if one.Behavior != keys.Release && one.Behavior != keys.Destroy {
		return failf(http.StatusBadRequest, "Invalid Behavior setting '%s'", one.Behavior)
	}
	if one.TTL == "" {
		return nil
	}
	ttl, err := time.ParseDuration(one.TTL)
	if err != nil {
		return failf(http.StatusBadRequest, "Session TTL '%s' invalid: %v", one.TTL, err)
	}
	if ttl != 0 && (ttl < minTTL || ttl > maxTTL) {
		return failf(http.StatusBadRequest, "Invalid Session TTL '%d', must be between [%v=%v]", ttl, minTTL, maxTTL)
	}
	return nil
}

// relied looks whether what a session relies on is there, and does not fail.
func (s *Server) relied(one keys.Session) error {
	if n, _, _, _ := s.catalog.OnNode(one.Node); n == nil {
		return failf(http.StatusInternalServerError, "Missing node registration")
	}
	for _, id := range one.Checks() {
		k, ok := s.catalog.Check(one.Node, id)
		if !ok {
			return failf(http.StatusInternalServerError, "Missing check '%s' registration", id)
		}
		if k.Status == catalog.Critical {
			return failf(http.StatusInternalServerError, "Check '%s' is in critical state", id)
		}
	}
	return nil
}

func (s *Server) destroySession(r *http.Request) (answer, error) {
	s.keys.Destroy(r.PathValue("id"))
	return answer{value: true}, nil
}

func (s *Server) renewSession(r *http.Request) (answer, error) {
	id := r.PathValue("id")
	one, ok := s.keys.Renew(id)
	if !ok {
		return answer{}, failf(http.StatusNotFound, "Session id '%s' not found", id)
	}
	return answer{value: []keys.Session{one}}, nil
}

func (s *Server) session(r *http.Request) (answer, error) {
	if err := s.awaitSessions(r); err != nil {
		return answer{}, err
	}
	out := []keys.Session{}
	one, ok, index := s.keys.Session(r.PathValue("id"))
	if ok {
		out = append(out, one)
	}
	return answer{value: out, index: index}, nil
}

// sessions are all, or those of the node that the path names.
func (s *Server) sessions(r *http.Request) (answer, error) {
	if err := s.awaitSessions(r); err != nil {
		return answer{}, err
	}
	all, index := s.keys.Sessions()
	if node := r.PathValue("node"); node != "" {
		all = slices.DeleteFunc(all, func(one keys.Session) bool { return one.Node != node })
	}
	value, err := filtered(r, all)
	return answer{value: value, index: index}, err
}

func (s *Server) awaitSessions(r *http.Request) error {
	return await(r, func(ctx context.Context, index uint64) error { return s.keys.AwaitSessions(ctx, index) })
}
