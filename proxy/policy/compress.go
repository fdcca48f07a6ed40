package policy

import (
	"net/http"
	"strconv"
	"strings"
)

// CompressFrom is the length below which a response is sent as it is; Caddy's
// minimum_length.
const CompressFrom = 512

// Response is what decides whether a response is compressed: its method is the
// request's, and its fields are as the service sent them.
type Response struct {
	Method          string
	Status          int
	Length          int64 // of the body, -1 when that is not known before its end
	ContentType     string
	ContentEncoding string
	CacheControl    string
}

// Coding returns the coding that a response gets out of those offered, the best
// first, and "" for none. With varies, the response has to say Vary:
// Accept-Encoding, whether it got one or not.
//
// Whoever applies a coding sets Content-Encoding to it, removes Content-Length
// and Accept-Ranges (RFC 9110 §14.3: offsets would be others), passes ETag
// through WeakETag, writes the body to the Encoder of NewEncoder and flushes
// that when the service has sent nothing more for now. When the service breaks
// off, so does the response: Release in place of Close.
func Coding(offered []string, acceptEncoding string, r *Response) (coding string, varies bool) {
	if len(offered) == 0 || r.ContentEncoding != "" || noTransform(r.CacheControl) || !Compressible(r.ContentType) {
		return "", false
	}
	switch {
	case r.Length >= 0 && r.Length < CompressFrom:
		return "", false
	case r.Status < 200, r.Status == http.StatusNoContent, r.Status == http.StatusPartialContent:
		return "", false // of a part, Content-Range counts bytes as they were
	case r.Status == http.StatusNotModified, r.Method == http.MethodHead:
		return "", true // no body, but it tells of a response that varies
	}
	return Negotiate(offered, acceptEncoding), true
}

// noTransform reports whether intermediaries must leave the body alone (RFC
// 9111 §5.2.2.6).
func noTransform(cacheControl string) bool {
	for cacheControl != "" {
		var directive string
		directive, cacheControl, _ = strings.Cut(cacheControl, ",")
		if strings.EqualFold(strings.TrimSpace(directive), "no-transform") {
			return true
		}
	}
	return false
}

// WeakETag is an entity tag for another coding of the same content: equal in
// meaning, not in bytes (RFC 9110 §8.8.1).
func WeakETag(etag string) string {
	if !strings.HasPrefix(etag, `"`) {
		return etag
	}
	return "W/" + etag
}

// Compressible reports whether content of that type gets smaller. Server-sent
// events are left alone: each is small, and must arrive at once.
func Compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	switch {
	case hasPrefixFold(t, "text/"):
		return !strings.EqualFold(t, "text/event-stream")
	case hasPrefixFold(t, "application/grpc"): // compresses its messages itself
		return false
	case hasSuffixFold(t, "+json"), hasSuffixFold(t, "+xml"):
		return true
	}
	for _, known := range [...]string{
		"application/json", "application/xml", "application/javascript", "application/x-javascript", "application/wasm",
	} {
		if strings.EqualFold(t, known) {
			return true
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// Negotiate returns the coding of offered, the best first, that a client likes
// most by its Accept-Encoding field (RFC 9110 §12.5.3), and "" when it likes
// its content as it is at least as much, or no coding will do. Who sends no
// such field gets none.
func Negotiate(offered []string, acceptEncoding string) string {
	best, most := "", 0
	for _, coding := range offered {
		q, named := weight(acceptEncoding, coding)
		if !named {
			q, _ = weight(acceptEncoding, "*")
		}
		if q > most {
			best, most = coding, q
		}
	}
	if identity, named := weight(acceptEncoding, "identity"); named && identity > most {
		return ""
	}
	return best
}

// weight is the quality of a coding in thousandths, and whether it is named.
// What is malformed weighs 0: no coding is sent that may be unwelcome.
func weight(acceptEncoding, coding string) (q int, named bool) {
	for acceptEncoding != "" {
		var element string
		element, acceptEncoding, _ = strings.Cut(acceptEncoding, ",")
		name, parameter, weighted := strings.Cut(element, ";")
		name = strings.TrimSpace(name)
		if hasPrefixFold(name, "x-") {
			name = name[2:] // RFC 9110 §8.4.1.3: x-gzip is gzip
		}
		switch {
		case !strings.EqualFold(name, coding):
			continue
		case !weighted:
			return 1000, true
		}
		return quality(parameter), true
	}
	return 0, false
}

// quality is the value of q=0.5 in thousandths (RFC 9110 §12.4.2).
func quality(parameter string) int {
	parameter = strings.TrimSpace(parameter)
	if !hasPrefixFold(parameter, "q=") {
		return 0
	}
	digits := parameter[2:]
	if len(digits) == 0 || len(digits) > len("0.000") || digits[0] != '0' && digits[0] != '1' || len(digits) > 1 && digits[1] != '.' {
		return 0
	}
	q := int(digits[0]-'0') * 1000
	if len(digits) > 2 {
		n, err := strconv.ParseUint((digits[2:] + "000")[:3], 10, 16)
		if err != nil {
			return 0
		}
		q += int(n)
	}
	if q > 1000 {
		return 0
	}
	return q
}
