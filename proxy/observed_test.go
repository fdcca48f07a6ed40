package proxy

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msctl/msctl/proxy/admin"
	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
)

// page asks the admin pages for one.
func (w *world) page(path string, field ...string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "GET", w.AdminURL()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(field) > 0 {
		r.Header.Set(field[0], field[1])
		if field[0] == "Host" {
			r.Host = field[1]
		}
	}
	status, body, _ := w.do(r)
	return status, body
}

const catalogAPI = `{"openapi": "3.1.0", "info": {"title": "catalog", "version": "1"}, "paths": {"/items": {"get": {"responses": {"200": {"description": "all"}}}}}}`

// showing is a gateway with a service whose API is known, below /catalog.
func showing(t *testing.T, edit ...func(*stack.Stack)) *world {
	t.Helper()
	st := declare(t, service("catalog"), service("db", speaks(stack.TCP)), service("job", func(s *stack.Service) { s.Kind = stack.KindJob }))
	st.Gateway.Routes = []stack.Route{
		{Path: "/catalog", Strip: "/catalog", To: "catalog", Methods: []string{"get"}, Pos: stack.Pos{File: "stack.yaml", Line: 7, Col: 5}},
		{Regexp: "/v[0-9]/(.*)", Rewrite: "/$1", To: "catalog", Headers: map[string]string{"X-Beta": "1"}, Query: map[string]string{"q": "*"}},
		{Path: "/old", Redirect: &stack.Redirect{To: "/catalog"}},
	}
	for _, e := range edit {
		e(st)
	}
	w := begin(t, st, Options{})
	w.put("catalog-1", upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/openapi.json" {
			_, _ = io.WriteString(w, catalogAPI)
			return
		}
		_, _ = io.WriteString(w, "catalog "+r.URL.Path)
	}), registry.Ready)
	return w
}

func TestTheAdminPagesShowTheGateway(t *testing.T) {
	w := showing(t)
	w.do(w.request("GET", "", "/catalog/items", nil))

	if status, body := w.page(""); status != 200 || !strings.Contains(body, w.URL()) || !strings.Contains(body, "<title>test: gateway") {
		t.Errorf("%d %s", status, body)
	}
	var routes []admin.Route
	_, body := w.page("routes")
	if err := json.Unmarshal([]byte(body), &routes); err != nil || len(routes) != 4 {
		t.Fatalf("%v: %s", err, body)
	}
	first, second, third := routes[0], routes[1], routes[2]
	if first.Pattern != "GET /catalog" || first.Path != "/catalog" || first.Strip != "/catalog" || !slices.Equal(first.Methods, []string{"GET"}) ||
		first.Service != "catalog" || first.Declared != "stack.yaml:7:5" || first.URL != w.URL()+"/catalog" || len(first.Ready) != 1 {
		t.Errorf("%+v", first)
	}
	if second.Regexp == "" || second.Path != "" || second.Rewrite != "/$1" || second.Headers["X-Beta"] != "1" || second.Query["q"] != "*" {
		t.Errorf("%+v", second)
	}
	if third.Redirect != "308 /catalog" || third.Service != "" {
		t.Errorf("%+v", third)
	}

	// A request is counted right after its last byte has left.
	for page, want := range map[string]string{
		"requests": `"path":"/catalog/items"`,
		"metrics":  `msctl_gateway_requests_total{caller="",code="200",route="GET /catalog",service="catalog"} 1`,
	} {
		eventually(t, page+" show the request", func() bool {
			_, body := w.page(page)
			return strings.Contains(body, want)
		})
	}
	var api struct {
		Info  struct{ Title string }
		Paths map[string]any
	}
	_, body = w.page("openapi.json")
	if err := json.Unmarshal([]byte(body), &api); err != nil || api.Info.Title == "" || api.Paths["/catalog/items"] == nil {
		t.Errorf("%v: %s", err, body)
	}

	for _, field := range [][]string{{"Host", "shop.example"}, {"Origin", "https://shop.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		if status, _ := w.page("metrics", field...); status != http.StatusForbidden {
			t.Errorf("with %v: %d", field, status)
		}
	}
	// At the front door, that is a path like any other.
	if status, _, _ := w.get("", "/_msctl/"); status != 404 {
		t.Errorf("the front door answers with %d", status)
	}
}

func TestNothingWasAskedForYet(t *testing.T) {
	w := begin(t, declare(t), Options{})
	for _, page := range []string{"requests", "routes"} {
		if _, body := w.page(page); strings.TrimSpace(body) != "[]" {
			t.Errorf("%s: %s", page, body)
		}
	}
}

// TestTriesGoThroughTLS: the page's requests trust the front door, whose
// certificates nobody else has to.
func TestTriesGoThroughTLS(t *testing.T) {
	trusting(t)
	for name, files := range map[string]*stack.TLS{
		"the authority's": {}, "one's own": selfSigned(t, t.TempDir(), "catalog.localhost"),
	} {
		w := showing(t, func(st *stack.Stack) { st.Gateway.TLS = files })
		_, page := w.page("docs")
		token := regexp.MustCompile(`[A-Z2-7]{26}`).FindAllString(page, -1)
		var answers []string
		for _, token := range token { // among them is the nonce of the page's style
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.AdminURL()+"try", strings.NewReader(
				`{"method": "GET", "path": "/items", "headers": {"Host": "catalog.localhost"}, "body": ""}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Msctl-Token", token)
			_, body, _ := w.do(r)
			answers = append(answers, body)
		}
		if !strings.Contains(strings.Join(answers, ""), `"body":"catalog /items"`) {
			t.Errorf("%s: %s", name, answers)
		}
	}
}

func TestWhereTheAdminPagesAre(t *testing.T) {
	var keys []string
	st := declare(t)
	w := begin(t, st, Options{Listen: func(key string) (net.Listener, error) {
		keys = append(keys, key)
		return net.Listen("tcp", "127.0.0.1:0")
	}})
	leased := w.AdminURL()
	configure := func(addr string) error {
		t.Helper()
		st.Gateway.Admin = addr
		return w.Configure(t.Context(), st)
	}
	if err := configure(""); err != nil || w.AdminURL() != leased || len(keys) != 1 {
		t.Errorf("%v: %s became %s", err, leased, w.AdminURL())
	}

	named := nobody(t)
	if err := configure(named); err != nil || w.AdminURL() != "http://"+named+"/_msctl/" {
		t.Errorf("%v: it is at %s", err, w.AdminURL())
	}
	if status, _ := w.page(""); status != 200 {
		t.Errorf("there: %d", status)
	}
	if u, err := url.Parse(leased); err != nil {
		t.Fatal(err)
	} else if c, err := net.Dial("tcp", u.Host); err == nil {
		_ = c.Close()
		t.Error("it is still where it was as well")
	}

	// The two doors change their places.
	front := w.Addr()
	st.Gateway.Listen = named
	if err := configure(front); err != nil || w.Addr() != named || w.AdminURL() != "http://"+front+"/_msctl/" {
		t.Errorf("%v: at %s and %s", err, w.Addr(), w.AdminURL())
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var taken *ListenError
	err = configure(ln.Addr().String())
	if !errors.As(err, &taken) || taken.Key != "gateway.admin" || taken.Addr != ln.Addr().String() || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("at a taken address: %v", err)
	}
	if status, _ := w.page(""); status != 200 {
		t.Errorf("after that: %d", status)
	}

	if err := configure("off"); err != nil || w.AdminURL() != "" {
		t.Errorf("%v: off, it is at %s", err, w.AdminURL())
	}
	st.Gateway.Listen = ""
	if err := configure(""); err != nil || w.AdminURL() != "" {
		t.Errorf("%v: without a front door, it is at %s", err, w.AdminURL())
	}
}

func TestTheAdminPagesEndWithRun(t *testing.T) {
	w := begin(t, declare(t), Options{})
	u, err := url.Parse(w.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.stop()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) { // a reset is an end as well
		t.Error(err)
	}
	if c, err := net.Dial("tcp", u.Host); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
	if w.AdminURL() != "" || w.URL() != "" {
		t.Errorf("at %s and %s", w.AdminURL(), w.URL())
	}
}
