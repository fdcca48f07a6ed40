package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/acme-widgets/internal/store"
)

func newAPI(t *testing.T) *API {
	t.Helper()
	url := cmp.Or[string](
		// msctl:if store=postgres
		newSchema(t),
		// msctl:end
		// msctl:if store=sqlite
		"sqlite:"+t.TempDir()+"/test.db",
		// msctl:end
	)
	// msctl:if store=postgres
	if url == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	// msctl:end
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return New(db, "test", "0")
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) wrong(i int) any {
	errors, _ := a.body["errors"].([]any)
	if i >= len(errors) {
		return nil
	}
	return errors[i].(map[string]any)["field"]
}

func call(t *testing.T, handler http.Handler, method, path string, body any) answer {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(method, path, bytes.NewReader(content))
	request.Header.Set("Content-Type", "application/json")
	return send(handler, request)
}

func send(handler http.Handler, request *http.Request) answer {
	recorded := httptest.NewRecorder()
	handler.ServeHTTP(recorded, request)
	a := answer{status: recorded.Code, header: recorded.Header()}
	_ = json.Unmarshal(recorded.Body.Bytes(), &a.body)
	return a
}

func TestOperation(t *testing.T) {
	handler := newAPI(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/nothing": 404} {
		got := call(t, handler, "GET", path, nil)
		if got.status != want || got.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	if text := handler.text(t, "/metrics"); !strings.Contains(text, `http_requests_total{method="GET",route="unmatched",status="404"} 1`) {
		t.Errorf("metrics: %s", text)
	}
	handler.Stop()
	if got := call(t, handler, "GET", "/readyz", nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("readyz while stopping: %d", got.status)
	}
	if got := call(t, handler, "POST", "/healthz", nil); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("another method: %d %v", got.status, got.header)
	}
}

func (a *API) text(t *testing.T, path string) string {
	t.Helper()
	recorded := httptest.NewRecorder()
	a.ServeHTTP(recorded, httptest.NewRequest("GET", path, nil))
	return recorded.Body.String()
}

func TestRequestID(t *testing.T) {
	handler := newAPI(t)
	for id, taken := range map[string]bool{"abc-1": true, strings.Repeat("x", 129): false, "\t": false} {
		request := httptest.NewRequest("GET", "/nothing", nil)
		request.Header.Set("X-Request-Id", id)
		got := send(handler, request)
		if (got.header.Get("X-Request-Id") == id) != taken || got.body["request_id"] != got.header.Get("X-Request-Id") {
			t.Errorf("%q: %v %v", id, got.header, got.body)
		}
	}
}

func TestMethodsThatAreMadeUpAreCountedAsOne(t *testing.T) {
	handler := newAPI(t)
	call(t, handler, "BREW", "/nothing", nil)
	if text := handler.text(t, "/metrics"); !strings.Contains(text, `http_requests_total{method="_OTHER",route="unmatched",status="404"} 1`) {
		t.Errorf("metrics: %s", text)
	}
}

func TestWhatPanicsIsAnsweredUnlessTheAnswerHasBegun(t *testing.T) {
	for _, begun := range []bool{false, true} {
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			if begun {
				_, _ = w.Write([]byte("begun"))
			}
			panic("a secret")
		})
		recorded := httptest.NewRecorder()
		cut := func() (err error) {
			defer func() { err, _ = recover().(error) }()
			(&server{metrics: newMetrics()}).observe(mux).ServeHTTP(recorded, httptest.NewRequest("GET", "/", nil))
			return nil
		}()
		if begun != errors.Is(cut, http.ErrAbortHandler) || begun != (recorded.Code == 200) || strings.Contains(recorded.Body.String(), "secret") {
			t.Errorf("begun %t: %v, %d %s", begun, cut, recorded.Code, recorded.Body)
		}
	}
}
