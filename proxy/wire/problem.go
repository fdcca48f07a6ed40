package wire

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
)

// ProblemType is the media type of a Problem (RFC 9457 §6.1).
const ProblemType = "application/problem+json"

// Problem is an answer that the gateway itself makes: a problem document of
// RFC 9457 whose type is about:blank, so that its title is the status' phrase.
type Problem struct {
	Status    int        `json:"status"`
	Title     string     `json:"title"`
	Detail    string     `json:"detail"`
	Service   string     `json:"service,omitempty"`
	Instances []Instance `json:"instances,omitempty"` // of the service
	Routes    []string   `json:"routes,omitempty"`    // that there are, a few
}

// Instance is what a Problem says of an instance.
type Instance struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	LastLine string `json:"last_line,omitempty"` // of its log
}

func (p *Problem) Error() string { return p.Detail }

// Document is the problem as JSON, indented for whoever reads it in a
// terminal.
func (p *Problem) Document() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(p) // strings and numbers always encode
	return b.Bytes()
}

//go:embed problem.html
var pageText string

var page = template.Must(template.New("problem").Parse(pageText))

// Page is the problem as a small page for a browser.
func (p *Problem) Page() []byte {
	var b bytes.Buffer
	_ = page.Execute(&b, p) // a buffer takes everything
	return b.Bytes()
}
