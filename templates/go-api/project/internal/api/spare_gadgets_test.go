package api

import (
	"net/http"
	"testing"
)

var aSpareGadget = map[string]any{
	// msctl:fields
	// msctl:field string
	"title": "one",
	// msctl:field text
	"notes": "",
	// msctl:field int
	"stock": 7,
	// msctl:field decimal
	"price": "12.50",
	// msctl:field bool
	"active": true,
	// msctl:field datetime
	"released_at": "2026-01-31T12:00:00Z",
	// msctl:end
}

func TestSpareGadgets(t *testing.T) {
	testCollection(t, "/spare-gadgets", aSpareGadget)
}

func TestSpareGadgetsRefuse(t *testing.T) {
	handler := newAPI(t)
	for name, value := range map[string]any{
		// msctl:fields
		// msctl:field string
		"title": "",
		// msctl:field text
		"notes": 1,
		// msctl:field int
		"stock": 1.5,
		// msctl:field decimal
		"price": "1.23456",
		// msctl:field bool
		"active": "yes",
		// msctl:field datetime
		"released_at": "yesterday",
		// msctl:end
	} {
		body := changed(aSpareGadget, name, value)
		if got := call(t, handler, "POST", "/spare-gadgets", body); got.status != http.StatusUnprocessableEntity || got.wrong(0) != name {
			t.Errorf("%s = %v: %d %v", name, value, got.status, got.body)
		}
	}
}
