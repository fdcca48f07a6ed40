package admin

import (
	"bytes"
	"cmp"
	"crypto/rand"
	_ "embed" // the pages
	"html/template"
	"net/http"
)

var (
	//go:embed page/page.css
	style string
	//go:embed page/docs.js
	script string
	//go:embed page/index.html
	indexHTML string
	//go:embed page/docs.html
	docsHTML string

	indexPage = template.Must(template.New("index").Parse(indexHTML))
	docsPage  = template.Must(template.New("docs").Parse(docsHTML))
)

// page is what a page is made of.
type page struct {
	Title, Nonce, Token string
	View                View
	Style               template.CSS
	Script              template.JS
}

func (h *handler) index(w http.ResponseWriter, _ *http.Request) {
	h.page(w, indexPage, page{View: h.View()})
}

func (h *handler) docsPage(w http.ResponseWriter, _ *http.Request) {
	h.page(w, docsPage, page{Token: h.token, Script: template.JS(script)}) // ours, no data
}

// page writes a page whose policy is that its own style and script run, known
// by a nonce, and that it talks to nobody else.
func (h *handler) page(w http.ResponseWriter, t *template.Template, p page) {
	p.Title, p.Nonce, p.Style = cmp.Or(h.Title, "msctl"), rand.Text(), template.CSS(style)
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+p.Nonce+"'; style-src 'nonce-"+p.Nonce+
		"'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	send(w, "text/html; charset=utf-8", b.Bytes())
}
