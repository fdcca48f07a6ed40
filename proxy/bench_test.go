package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/msctl/msctl/registry"
)

func BenchmarkForward(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer s.Close()
	w := begin(b, declare(b, service("api")), Options{})
	w.put("api-1", s.Listener.Addr().String(), registry.Ready)
	for _, c := range []struct{ name, addr string }{{"direct", s.Listener.Addr().String()}, {"gateway", w.Addr()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, _ := http.NewRequestWithContext(b.Context(), "GET", "http://"+c.addr+"/", nil)
					r.Host = "api.localhost"
					res, err := w.client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			})
		})
	}
}
