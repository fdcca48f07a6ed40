package api

import (
	"encoding/json"
	"net/http"
)

// Invalid is what is wrong with one field.
type Invalid struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// problem is an error of RFC 9457.
type problem struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail,omitempty"`
	RequestID string    `json:"request_id"`
	Errors    []Invalid `json:"errors,omitempty"`
}

func fail(w http.ResponseWriter, r *http.Request, status int, detail string, errors ...Invalid) {
	write(w, status, "application/problem+json", problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    detail,
		RequestID: requestID(r.Context()),
		Errors:    errors,
	})
}

func respond(w http.ResponseWriter, status int, body any) {
	write(w, status, "application/json", body)
}

// write sends JSON. That the client is gone is no error of ours.
func write(w http.ResponseWriter, status int, mediaType string, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
