// Package callstest is for tests of clients: a service that answers what it is told to.
package callstest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"

	"example.com/acme-widgets/internal/calls"
)

// Service remembers the one call that it got.
type Service struct {
	Calls  *calls.Calls
	answer string
	called []call
}

type call struct {
	Method, Path string
	Query        url.Values
	Body         any
}

// Answer starts a service that answers so until the test ends.
func Answer(t testing.TB, service string, status int, body string) *Service {
	t.Helper()
	s := &Service{answer: body}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.called = append(s.called, call{r.Method, r.URL.Path, r.URL.Query(), decoded(t, string(text))})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if body != "" {
			_, _ = io.WriteString(w, body) // that the client is gone is for it to say
		}
	}))
	t.Cleanup(server.Close)
	var err error
	if s.Calls, err = calls.New(service, server.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Calls.Close)
	return s
}

// Answered fails the test unless got is the whole answer.
func (s *Service) Answered(t testing.TB, got any) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(decoded(t, string(text)), decoded(t, s.answer)) {
		t.Errorf("got %s, want %s", text, s.answer)
	}
}

// Called fails the test unless there was this call, and no other. path is decoded, and body is JSON.
func (s *Service) Called(t testing.TB, method, path string, query url.Values, body string) {
	t.Helper()
	want := []call{{method, path, query, decoded(t, body)}}
	if !reflect.DeepEqual(s.called, want) {
		t.Errorf("got %+v, want %+v", s.called, want)
	}
}

// Value is one that has been read from JSON.
func Value[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	if text == "" {
		return nil
	}
	return Value[any](t, text)
}
