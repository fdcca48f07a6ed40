package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"example.com/acme-widgets/internal/resource"
)

const maxBody = 1 << 20

// read sets the fields from the request's body. When it cannot it has answered, and returns false.
func read(w http.ResponseWriter, r *http.Request, fields []resource.Field) bool {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		fail(w, r, http.StatusUnsupportedMediaType, "the body has to be application/json")
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, r, http.StatusRequestEntityTooLarge, "the body has more than 1 MiB")
		return false
	}
	if err != nil || !json.Valid(body) {
		fail(w, r, http.StatusBadRequest, "the body is no JSON")
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		fail(w, r, http.StatusUnprocessableEntity, "the body has to be an object")
		return false
	}
	if wrong := set(fields, members); len(wrong) > 0 {
		fail(w, r, http.StatusUnprocessableEntity, "the fields are not what they have to be", wrong...)
		return false
	}
	return true
}

// set returns all that is wrong.
func set(fields []resource.Field, members map[string]json.RawMessage) (wrong []Invalid) {
	for _, f := range fields {
		raw, ok := members[f.Name]
		delete(members, f.Name)
		if !ok {
			wrong = append(wrong, Invalid{f.Name, "is missing"})
		} else if err := f.Read(raw); err != nil {
			wrong = append(wrong, Invalid{f.Name, err.Error()})
		}
	}
	for name := range members {
		wrong = append(wrong, Invalid{name, "is unknown"})
	}
	slices.SortStableFunc(wrong, func(a, b Invalid) int { return strings.Compare(a.Field, b.Field) })
	return wrong
}
