package consul

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/msctl/msctl/registry/catalog"
)

// maxCached bounds the answers that are kept, in bytes.
const maxCached = 16 << 20

// cache keeps answers as they are written: who waits for the same is told the same,
// and it is made once. An answer is good as long as the index of what it is about
// stays.
type cache struct {
	mu   sync.Mutex
	all  map[string]cached // by path and query
	size int
}

type cached struct {
	index uint64
	body  encoded
}

// encoded is an answer that is JSON already.
type encoded []byte

func (c *cache) get(key string, index uint64) (encoded, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.all[key]
	return a.body, a.body != nil && a.index == index
}

// put keeps an answer, and lets any others go where there is no more room.
func (c *cache) put(key string, index uint64, body encoded) {
	size := len(key) + len(body)
	if size > maxCached/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]cached{}
	}
	c.drop(key)
	for other := range c.all {
		if c.size+size <= maxCached {
			break
		}
		c.drop(other)
	}
	c.all[key] = cached{index, body}
	c.size += size
}

// drop lets an answer go, if it is there. The caller holds mu.
func (c *cache) drop(key string) {
	if old, ok := c.all[key]; ok {
		delete(c.all, key)
		c.size -= len(key) + len(old.body)
	}
}

// read makes a handler of f, which reads what topic is of. It blocks as the query
// says.
func (s *Server) read(topic func(*http.Request) (catalog.Topic, error), f func(*http.Request) (answer, error)) func(*http.Request) (answer, error) {
	return func(r *http.Request) (answer, error) {
		about, err := topic(r)
		if err != nil {
			return answer{}, err
		}
		if err := s.await(r, about); err != nil {
			return answer{}, err
		}
		key, index := r.URL.Path+"\n"+lasting(r.URL.RawQuery), s.catalog.Index(about)
		if body, ok := s.cache.get(key, index); ok {
			return answer{value: body, index: index}, nil
		}
		a, err := f(r)
		if err != nil {
			return a, err
		}
		body, err := encode(a.value, r.Form.Has("pretty"))
		if err != nil {
			return a, err
		}
		s.cache.put(key, a.index, body)
		a.value = body
		return a, nil
	}
}

func encode(value any, pretty bool) (encoded, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if pretty {
		e.SetIndent("", "    ")
	}
	err := e.Encode(value)
	return bytes.Clone(b.Bytes()), err // without the buffer's spare room
}

// lasting is a query without what says only for how long to wait.
func lasting(query string) string {
	if !strings.Contains(query, "index=") && !strings.Contains(query, "wait=") {
		return query
	}
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(part, "index=") && !strings.HasPrefix(part, "wait=") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// about is of what there is one topic.
func about(t catalog.Topic) func(*http.Request) (catalog.Topic, error) {
	return func(*http.Request) (catalog.Topic, error) { return t, nil }
}

func aboutService(r *http.Request) (catalog.Topic, error) {
	name := r.PathValue("name")
	if name == "" {
		return "", failf(http.StatusBadRequest, "Missing service name")
	}
	return catalog.ServiceTopic(name), nil
}

func aboutNode(r *http.Request) (catalog.Topic, error) {
	return catalog.NodeTopic(r.PathValue("name")), nil
}

func aboutState(r *http.Request) (catalog.Topic, error) {
	if state := r.PathValue("state"); state != "any" && !catalog.Status(state).Valid() {
		return "", failf(http.StatusBadRequest, "want any, passing, warning or critical, got %q", state)
	}
	return catalog.Checks, nil
}
