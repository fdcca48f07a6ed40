package calls_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"example.com/acme-widgets/internal/calls"
	"example.com/acme-widgets/internal/telemetry"
)

// answer is what a service says to one request.
type answer struct {
	status int
	body   string
	after  string // Retry-After
}

var (
	unavailable = answer{status: 503, body: `{"detail": "too busy"}`}
	one         = answer{status: 200, body: "1"}
)

// service gives the answers one after the other, then it answers 500; the number says how often it was asked.
func service(t *testing.T, answers ...answer) (*calls.Calls, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := answer{status: 500}
		if n := int(asked.Add(1)); n <= len(answers) {
			a = answers[n-1]
		}
		if a.after != "" {
			w.Header().Set("Retry-After", a.after)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(server.Close)
	return client(t, server.URL), &asked
}

func client(t *testing.T, address string) *calls.Calls {
	t.Helper()
	c, err := calls.New("catalog", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(t *testing.T, c *calls.Calls) error {
	t.Helper()
	var got int
	err := c.Do(t.Context(), calls.Request{Method: "GET", Path: "/"}, &got)
	if err == nil && got != 1 {
		t.Errorf("got %d, want 1", got)
	}
	return err
}

// wantError fails the test unless err is an Error with the status and the text.
func wantError(t *testing.T, err error, status int, text string) {
	t.Helper()
	var e *calls.Error
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %d and %q", err, status, text)
	}
}

func TestWhatIsSent(t *testing.T) {
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
	}))
	t.Cleanup(server.Close)
	ctx, span := trace.NewTracerProvider().Tracer("test").Start(telemetry.WithRequestID(t.Context(), "r-1"), "request")
	defer span.End()
	var none *int
	err := client(t, server.URL+"/v1/").Do(ctx, calls.Request{
		Method: "POST", Path: "/items/{id}/{name}",
		Keys:  calls.Values{"id": 7, "name": "a/b ü{id}"},
		Query: calls.Values{"tag": []string{"x", "y&z"}, "all": new(true), "after": none, "before": nil},
		Body:  map[string]int{"n": 1},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.URL.Path != "/v1/items/7/a/b ü{id}" || got.URL.RawQuery != "all=true&tag=x&tag=y%26z" || body != `{"n":1}` {
		t.Errorf("got %s %s with %s", got.Method, got.URL, body)
	}
	if parent := got.Header.Get("Traceparent"); !strings.Contains(parent, span.SpanContext().TraceID().String()) {
		t.Errorf("traceparent is %q", parent)
	}
	if id := got.Header.Get("X-Request-Id"); id != "r-1" {
		t.Errorf("X-Request-Id is %q", id)
	}
}

func TestAddressFromTheEnvironment(t *testing.T) {
	if _, err := calls.New("order-lines", ""); err == nil || err.Error() != `ORDER_LINES_URL has to be http://HOST:PORT, not ""` {
		t.Errorf("got %v", err)
	}
	t.Setenv("ORDER_LINES_URL", "http://127.0.0.1:1")
	if _, err := calls.New("order-lines", ""); err != nil {
		t.Error(err)
	}
}

func TestKeysStayInTheirPlace(t *testing.T) {
	c := client(t, "http://127.0.0.1:1")
	for _, key := range []string{"", ".", ".."} {
		err := c.Do(t.Context(), calls.Request{Method: "GET", Path: "/items/{id}", Keys: calls.Values{"id": key}}, nil)
		if err == nil || !strings.Contains(err.Error(), "it would be another path") {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

func TestIdempotentIsTriedAgain(t *testing.T) {
	c, asked := service(t, unavailable, answer{status: 502}, one)
	if err := get(t, c); err != nil || asked.Load() != 3 {
		t.Errorf("got %v after %d attempts", err, asked.Load())
	}
	c, asked = service(t, unavailable, unavailable, unavailable, unavailable)
	wantError(t, get(t, c), 503, "catalog: GET /: 503 Service Unavailable: too busy")
	if asked.Load() != 3 {
		t.Errorf("%d attempts, want 3", asked.Load())
	}
}

func TestWhatMayHaveBeenDoneIsNot(t *testing.T) {
	c, asked := service(t, unavailable)
	wantError(t, c.Do(t.Context(), calls.Request{Method: "POST", Path: "/orders"}, nil), 503, "too busy")
	if asked.Load() != 1 {
		t.Errorf("%d attempts, want 1", asked.Load())
	}
}

func TestARefusalIsOne(t *testing.T) {
	answers := make([]answer, 9, 11)
	for n := range answers {
		answers[n] = answer{status: 404}
	}
	c, asked := service(t, append(answers, unavailable, one)...)
	for n := range answers {
		wantError(t, get(t, c), 404, "404 Not Found")
		if int(asked.Load()) != n+1 {
			t.Fatalf("%d attempts, want %d", asked.Load(), n+1)
		}
	}
	if err := get(t, c); err != nil { // the service is well
		t.Error(err)
	}
}

func TestNobodyThere(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	err = client(t, "http://"+address).Do(t.Context(), calls.Request{Method: "POST", Path: "/"}, nil)
	wantError(t, err, 0, "it cannot be reached")
}

func TestTheContextLimitsIt(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = deaf.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = client(t, "http://"+deaf.Addr().String()).Do(ctx, calls.Request{Method: "GET", Path: "/"}, nil)
	wantError(t, err, 0, "it did not answer")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfterIsKeptOrGivenUp(t *testing.T) {
	c, asked := service(t, answer{status: 503, after: "60"})
	wantError(t, get(t, c), 503, "")
	if asked.Load() != 1 {
		t.Errorf("%d attempts, want 1", asked.Load())
	}
	began := time.Now()
	c, _ = service(t, answer{status: 503, after: "1"}, one)
	if err := get(t, c); err != nil || time.Since(began) < time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestAServiceThatIsDownIsNotAskedTwice(t *testing.T) {
	down := answer{status: 500}
	c, asked := service(t, down, down, down, down, down, unavailable, one)
	for range 6 {
		if get(t, c) == nil {
			t.Fatal("it answered")
		}
	}
	if asked.Load() != 6 {
		t.Errorf("%d attempts, want 6", asked.Load())
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	c, _ := service(t, answer{status: 200, body: "<html>"}, answer{status: 200, body: `"` + strings.Repeat("x", 16<<20) + `"`}, answer{status: 302})
	wantError(t, get(t, c), 0, "the answer is not what it should be")
	wantError(t, get(t, c), 0, "the answer has more than 16777216 bytes")
	wantError(t, get(t, c), 302, "302 Found")
}
