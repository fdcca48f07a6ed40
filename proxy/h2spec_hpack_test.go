package proxy

import (
	"strings"

	"golang.org/x/net/http2"
)

// A field with the value "1" in each representation of RFC 7541 §6, with the
// name as it is or in Huffman's code.
const (
	plainName   = "\x08x-spec-a"
	huffmanName = "\x86\xf2\xb2\x2b\x29\x16\x1f"

	tooLarge = "\x3f\xe1\xff\x3f" // an update of the table's size to 1 MiB
)

// block asks for / with block after the fields that the request needs.
func block(blocks ...string) func(*h2) {
	return func(h *h2) {
		h.preface()
		for i, b := range blocks {
			h.raw(uint32(2*i+1), append(h.encode(request("GET", "/")...), b...))
		}
	}
}

// raw is a whole HEADERS frame of a block that ends its stream.
func (h *h2) raw(stream uint32, block []byte) {
	h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true})
}

// resized asks for / after updates of the table's size.
func resized(updates string) func(*h2) {
	return func(h *h2) {
		h.preface()
		h.raw(1, append([]byte(updates), h.encode(request("GET", "/")...)...))
	}
}

// genericHPACK is what every decoder has to take: h2spec's generic/5.
func genericHPACK() []h2case {
	told := func(values string) finding { return tells(1, "GET / x-spec-a="+values) }
	named := tells(1, "GET / x-spec-a=1")
	return []h2case{
		{name: "generic/5/1 indexed", send: block("\x90"), want: tells(1, "GET /")}, // accept-encoding: gzip, deflate
		{name: "generic/5/2 indexed, of the dynamic table", want: told("1,1"), send: block("\x40" + plainName + "\x011" + "\xbe")},
		{name: "generic/5/3 indexing, name indexed", want: tells(1, "GET /"), send: block("\x7a\x011")}, // user-agent
		{name: "generic/5/4 indexing, name and value in Huffman's code", want: named, send: block("\x40" + huffmanName + "\x81\x0f")},
		{name: "generic/5/5 indexing, new name", want: named, send: block("\x40" + plainName + "\x011")},
		{name: "generic/5/6 without indexing, name indexed", want: tells(1, "GET /"), send: block("\x0f\x2b\x011")},
		{name: "generic/5/7 without indexing, Huffman's code", want: named, send: block("\x00" + huffmanName + "\x81\x0f")},
		{name: "generic/5/8 without indexing, new name", want: named, send: block("\x00" + plainName + "\x011")},
		{name: "generic/5/9 never indexed, name indexed", want: tells(1, "GET /"), send: block("\x1f\x2b\x011")},
		{name: "generic/5/10 never indexed, Huffman's code", want: named, send: block("\x10" + huffmanName + "\x81\x0f")},
		{name: "generic/5/11 never indexed, new name", want: named, send: block("\x10" + plainName + "\x011")},
		{name: "generic/5/12 name of the dynamic table", want: told("1,2,3,4"), send: block("\x40" + plainName + "\x011" + "\x7e\x012" + "\x0f\x30\x013" + "\x1f\x30\x014")},
		{name: "generic/5/13 an empty value", want: told(""), send: block("\x00" + plainName + "\x00")},
		{name: "generic/5/14 size update to nothing", send: resized("\x20"), want: tells(1, "GET /")},
		{name: "generic/5/15 size updates, one after the other", send: resized("\x20\x3f\xe1\x1f"), want: tells(1, "GET /")},
		{name: "generic/5/a what one block indexed holds in the next", want: all(named, tells(3, "GET / x-spec-a=1")), send: func(h *h2) {
			h.preface()
			h.headers(1, true, request("GET", "/", "x-spec-a", "1")...)
			h.headers(3, true, request("GET", "/", "x-spec-a", "1")...)
		}},
		{name: "generic/5/b fields of a stream that was refused are indexed too", want: tells(3, "GET / x-spec-a=1"), send: func(h *h2) {
			h.preface()
			h.headers(1, true, request("GET", "/", "x-spec-a", "1", "UPPER", "1")...)
			h.headers(3, true, request("GET", "/", "x-spec-a", "1")...)
		}},
		{name: "generic/5/c an empty dynamic table", want: all(tells(1, "GET / x-spec-a=1"), tells(3, "GET / x-spec-a=1")), send: func(h *h2) {
			h.preface()
			h.enc.SetMaxDynamicTableSize(0)
			h.headers(1, true, request("GET", "/", "x-spec-a", "1")...)
			h.headers(3, true, request("GET", "/", "x-spec-a", "1")...)
		}},
		{name: "generic/5/d what is indexed drives out the oldest", want: all(
			tells(1, "GET / x-spec-a=1"), tells(3, "GET / x-spec-b="+strings.Repeat("b", 3000)), tells(5, "GET / x-spec-a=1"),
		), send: func(h *h2) {
			h.preface()
			h.headers(1, true, request("GET", "/", "x-spec-a", "1")...)
			h.headers(3, true, request("GET", "/", "x-spec-b", strings.Repeat("b", 3000))...)
			h.headers(5, true, request("GET", "/", "x-spec-a", "1")...)
		}},
	}
}

// hpackErrors are blocks that cannot be decoded: h2spec's hpack.
func hpackErrors() []h2case {
	wrong := fails(http2.ErrCodeCompression)
	return []h2case{
		{name: "hpack/2.3.3/1 indexed, beyond the tables", send: block("\xc6"), want: wrong},
		{name: "hpack/2.3.3/2 a name beyond the tables", send: block("\x7f\x07\x011"), want: wrong},
		{name: "hpack/4.2/1 a size update after the fields", send: block("\x21"), want: wrong},
		{name: "hpack/4.2/a a size update between fields", send: block("\x20\x82"), want: wrong},
		{name: "hpack/5.1/a an integer without end", send: block("\x1f" + strings.Repeat("\xff", 12) + "\x01\x011"), want: wrong},
		{name: "hpack/5.1/b an integer cut short", send: block("\xff"), want: wrong},
		{name: "hpack/5.2/1 padding of more than 7 bits", send: block("\x00" + plainName + "\x82\x0f\xff"), want: wrong},
		{name: "hpack/5.2/2 padding of zeros", send: block("\x00" + plainName + "\x81\x08"), want: wrong},
		{name: "hpack/5.2/3 the code for the end of the string", send: block("\x00" + plainName + "\x84\xff\xff\xff\xff"), want: wrong},
		{name: "hpack/5.2/a a string longer than its block", send: block("\x00" + plainName + "\x0212"[:2]), want: wrong},
		{name: "hpack/6.1/1 index 0", send: block("\x80"), want: wrong},
		{name: "hpack/6.3/1 a size above the server's", send: resized(tooLarge), want: wrong},
		{name: "hpack/6.3/a a size below what was acknowledged, and one above", send: resized("\x20" + tooLarge), want: wrong},
	}
}
