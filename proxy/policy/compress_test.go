package policy

import (
	"slices"
	"testing"
)

func TestNegotiate(t *testing.T) {
	both := []string{"zstd", "gzip"}
	for _, c := range []struct {
		offered []string
		field   string
		want    string
	}{
		{both, "", ""},
		{both, "gzip, deflate, br, zstd", "zstd"},
		{[]string{"gzip", "zstd"}, "gzip, deflate, br, zstd", "gzip"},
		{both, "gzip", "gzip"},
		{both, "GZIP ; Q=0.5", "gzip"},
		{both, "x-gzip", "gzip"},
		{both, "gzip;q=1.0, zstd;q=0.9", "gzip"},
		{both, "gzip;q=0.001", "gzip"},
		{both, "zstd;q=0, gzip;q=0.000", ""},
		{both, "*", "zstd"},
		{both, "*;q=0.5, gzip", "gzip"},
		{both, "zstd;q=0, *", "gzip"},
		{both, "*;q=0", ""},
		{both, "br", ""},
		{both, "identity", ""},
		{both, "identity;q=0", ""},
		{both, "identity;q=0, gzip;q=0.2", "gzip"},
		{both, "gzip;q=0.5, identity", ""},
		{both, "gzip;q=0.5, identity;q=0.5", "gzip"},
		{both, "gzip, identity;q=0.5", "gzip"},
		{both, " , gzip ,", "gzip"},
		{both, "gzip;q=2", ""},
		{both, "gzip;q=1.001", ""},
		{both, "gzip;q=", ""},
		{both, "gzip;q=0.5555", ""},
		{both, "gzip;q=-1", ""},
		{both, "gzip;q=0.-1", ""},
		{both, "gzip;level=9", ""},
		{both, "gzipped", ""},
		{nil, "gzip", ""},
	} {
		if got := Negotiate(c.offered, c.field); got != c.want {
			t.Errorf("%v for %q: got %q, want %q", c.offered, c.field, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Negotiate(both, "gzip, deflate, br;q=0.5, zstd") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"gzip, deflate, br, zstd", "*;q=0.5, gzip;q=0", "identity;q=0,x-gzip;q=1.000", ";;q=,"} {
		f.Add(s)
	}
	offered := []string{"zstd", "gzip"}
	f.Fuzz(func(t *testing.T, field string) {
		got := Negotiate(offered, field)
		if got != "" && !slices.Contains(offered, got) {
			t.Errorf("%q: got %q", field, got)
		}
		if got == "" {
			return
		}
		if q, named := weight(field, got); named && q == 0 {
			t.Errorf("%q: %s is refused", field, got)
		}
		if again := Negotiate([]string{got}, field); again != got {
			t.Errorf("%q: %s alone is %q", field, got, again)
		}
	})
}

func TestCompressible(t *testing.T) {
	for contentType, want := range map[string]bool{
		"text/html; charset=utf-8": true, "TEXT/CSS": true, "text/plain": true, "application/json": true,
		"application/problem+json": true, "application/atom+xml;type=feed": true, "image/svg+xml": true,
		"application/javascript": true, "text/javascript": true, "application/wasm": true, "application/xml ; a=b": true,
		"text/event-stream": false, "Text/Event-Stream; charset=utf-8": false, "": false, "image/png": false,
		"application/octet-stream": false, "application/zip": false, "application/grpc+json": false, "video/mp4": false,
		"textual": false, "+jso": false,
	} {
		if got := Compressible(contentType); got != want {
			t.Errorf("%q: got %v", contentType, got)
		}
	}
}

func TestCoding(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *Response)
		coding string
		varies bool
	}{
		"usual":                  {func(*Response) {}, "gzip", true},
		"of unknown length":      {func(r *Response) { r.Length = -1 }, "gzip", true},
		"an error's page":        {func(r *Response) { r.Status = 500 }, "gzip", true},
		"just large enough":      {func(r *Response) { r.Length = 512 }, "gzip", true},
		"too small":              {func(r *Response) { r.Length = 511 }, "", false},
		"without a body":         {func(r *Response) { r.Length = 0 }, "", false},
		"coded by the service":   {func(r *Response) { r.ContentEncoding = "br" }, "", false},
		"not to be transformed":  {func(r *Response) { r.CacheControl = "private, No-Transform" }, "", false},
		"to be cached":           {func(r *Response) { r.CacheControl = "max-age=3, public" }, "gzip", true},
		"an image":               {func(r *Response) { r.ContentType = "image/png" }, "", false},
		"events":                 {func(r *Response) { r.ContentType, r.Length = "text/event-stream", -1 }, "", false},
		"no content":             {func(r *Response) { r.Status = 204 }, "", false},
		"a part":                 {func(r *Response) { r.Status = 206 }, "", false},
		"an upgrade":             {func(r *Response) { r.Status = 101 }, "", false},
		"not modified":           {func(r *Response) { r.Status, r.Length = 304, -1 }, "", true},
		"the answer to a HEAD":   {func(r *Response) { r.Method = "HEAD" }, "", true},
		"HEAD of something tiny": {func(r *Response) { r.Method, r.Length = "HEAD", 3 }, "", false},
	} {
		r := Response{Method: "GET", Status: 200, Length: 1000, ContentType: "application/json"}
		c.change(&r)
		if coding, varies := Coding([]string{"gzip"}, "gzip", &r); coding != c.coding || varies != c.varies {
			t.Errorf("%s: got %q, %v", name, coding, varies)
		}
	}
	r := Response{Method: "GET", Status: 200, Length: 1000, ContentType: "text/html"}
	if coding, varies := Coding([]string{"gzip"}, "", &r); coding != "" || !varies {
		t.Errorf("for who takes no coding: got %q, %v", coding, varies)
	}
	if coding, varies := Coding(nil, "gzip", &r); coding != "" || varies {
		t.Errorf("for a route without compression: got %q, %v", coding, varies)
	}
}

func TestWeakETag(t *testing.T) {
	for etag, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`, "": "", "unquoted": "unquoted"} {
		if got := WeakETag(etag); got != want {
			t.Errorf("%s: got %s", etag, got)
		}
	}
}
