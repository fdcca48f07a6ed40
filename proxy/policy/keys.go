package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysTimeout  = 5 * time.Second  // of a fetch
	keysSize     = 1 << 20          // bytes of a set
	keysLifetime = 10 * time.Minute // until a set is fetched again; Envoy's cache_duration
	keysPause    = 10 * time.Second // between fetches, however many unknown keys are named
	keysRetry    = time.Second      // between fetches while there is no set yet
)

// unreadable is why there are no keys to check a token with.
type unreadable struct {
	where string
	err   error
}

func (u *unreadable) Error() string {
	return fmt.Sprintf("the keys at %s cannot be read: %v", u.where, u.err)
}

// keySet is a JWK set (RFC 7517 §5) at a URL or in a file. It is read when a
// token comes. What was read last counts for as long as it cannot be read
// again.
type keySet struct {
	where  string // as it may be told
	url    *url.URL
	path   string // of the file, when there is no URL
	client *http.Client
	now    func() time.Time

	have atomic.Pointer[keyList]
	turn chan struct{} // has room for the one who reads; below is theirs
	at   time.Time     // of the last attempt
	err  error         // of the last attempt
}

// keyList is what was read. It does not change.
type keyList struct {
	keys []jose.JSONWebKey
	at   time.Time
	info os.FileInfo // nil of a URL
}

func newKeySet(where string, o Options) (*keySet, error) {
	k := &keySet{where: where, path: where, client: o.Client, now: o.Now, turn: make(chan struct{}, 1)}
	if strings.Contains(where, "://") {
		u, err := url.Parse(where)
		if err != nil {
			return nil, err
		}
		k.where, k.url, k.path = u.Redacted(), u, ""
	}
	return k, nil
}

// find returns the keys called kid (all for "") that sign by alg, at least one.
func (k *keySet) find(ctx context.Context, kid, alg string) ([]jose.JSONWebKey, error) {
	have := k.have.Load()
	if found := have.match(kid, alg); len(found) > 0 && k.fresh(have) {
		return found, nil
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, &unreadable{k.where, context.Cause(ctx)}
	}
	have = k.have.Load() // another may have read it meanwhile
	found := have.match(kid, alg)
	if (len(found) == 0 || !k.fresh(have)) && k.due(have) {
		read, err := k.read(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, &unreadable{k.where, err} // the fault is not the keys'
		}
		k.at, k.err = k.now(), err
		if err == nil {
			k.have.Store(read)
			have, found = read, read.match(kid, alg)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case k.err != nil:
		return nil, &unreadable{k.where, k.err}
	}
	return nil, fmt.Errorf("the token names the key %q for %s, and there are at %s: %s", clip(kid), alg, k.where, have.names())
}

// fresh reports whether the set needs no other look.
func (k *keySet) fresh(have *keyList) bool {
	if k.url != nil {
		return k.now().Sub(have.at) < keysLifetime
	}
	now, err := os.Stat(k.path)
	return err == nil && os.SameFile(now, have.info) && now.Size() == have.info.Size() && now.ModTime().Equal(have.info.ModTime())
}

// due reports whether the set may be read again by now; k.turn is held.
func (k *keySet) due(have *keyList) bool {
	switch {
	case k.url == nil:
		return have == nil || !k.fresh(have)
	case k.at.IsZero():
		return true
	case have == nil:
		return k.now().Sub(k.at) >= keysRetry
	}
	return k.now().Sub(k.at) >= keysPause
}

func (k *keySet) read(ctx context.Context) (*keyList, error) {
	if k.url == nil {
		return k.readFile()
	}
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Close = true // the next is minutes away
	response, err := k.client.Do(request)
	var of *url.Error // says the URL again
	if errors.As(err, &of) {
		return nil, of.Err
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	keys, err := decodeKeys(response.Body)
	return &keyList{keys: keys, at: k.now()}, err
}

func (k *keySet) readFile() (*keyList, error) {
	f, err := os.Open(k.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	keys, err := decodeKeys(f)
	return &keyList{keys: keys, at: k.now(), info: info}, err
}

// decodeKeys returns the public keys of a set that sign. Others are passed over
// (RFC 7517 §5), and so are secret ones, which have no place there.
func decodeKeys(r io.Reader) ([]jose.JSONWebKey, error) {
	text, err := io.ReadAll(io.LimitReader(r, keysSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > keysSize {
		return nil, fmt.Errorf("it is larger than %d bytes", keysSize)
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("it is no JWK set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key that signs in it")
	}
	return keys, nil
}

// match returns the keys called kid (all for "") that may sign by alg.
func (l *keyList) match(kid, alg string) []jose.JSONWebKey {
	if l == nil {
		return nil
	}
	var found []jose.JSONWebKey
	for _, key := range l.keys {
		if (kid == "" || key.KeyID == kid) && (key.Algorithm == "" || key.Algorithm == alg) {
			found = append(found, key)
		}
	}
	return found
}

// names are the ids of some of the keys, for people.
func (l *keyList) names() string {
	const most = 5
	var b strings.Builder
	for n, key := range l.keys {
		if n == most {
			b.WriteString(", …")
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", clip(key.KeyID))
		if key.Algorithm != "" {
			b.WriteString(" for " + key.Algorithm)
		}
	}
	return b.String()
}
