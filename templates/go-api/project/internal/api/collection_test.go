package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func changed(object map[string]any, name string, value any) map[string]any {
	object = maps.Clone(object)
	object[name] = value
	return object
}

// testCollection goes through the life of a resource's values.
func testCollection(t *testing.T, path string, body map[string]any) {
	handler := newAPI(t)
	for id := 1; id <= 3; id++ {
		made := call(t, handler, "POST", path, body)
		if want := fmt.Sprintf("%s/%d", path, id); made.status != http.StatusCreated || made.header.Get("Location") != want {
			t.Fatalf("create: %d, Location %q, %v", made.status, made.header.Get("Location"), made.body)
		}
		got := call(t, handler, "GET", made.header.Get("Location"), nil)
		if got.status != http.StatusOK || !reflect.DeepEqual(got.body, made.body) {
			t.Errorf("get: %d %v, made was %v", got.status, got.body, made.body)
		}
	}
	page := call(t, handler, "GET", path+"?limit=2", nil)
	next, _ := page.body["next"].(string)
	if len(page.body["items"].([]any)) != 2 || next == "" {
		t.Errorf("first page: %v", page.body)
	}
	page = call(t, handler, "GET", path+"?limit=2&cursor="+next, nil)
	if len(page.body["items"].([]any)) != 1 || page.body["next"] != nil {
		t.Errorf("last page: %v", page.body)
	}
	for _, query := range []string{"?limit=0", "?limit=101", "?limit=x", "?cursor=!"} {
		if got := call(t, handler, "GET", path+query, nil); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, got.status)
		}
	}

	one := path + "/1"
	if got := call(t, handler, "PUT", one, body); got.status != http.StatusOK || got.body["id"] != 1.0 {
		t.Errorf("replace: %d %v", got.status, got.body)
	}
	if got := call(t, handler, "PUT", one, changed(body, "unheard_of", 1)); got.status != http.StatusUnprocessableEntity || got.wrong(0) != "unheard_of" {
		t.Errorf("an unknown field: %d %v", got.status, got.body)
	}
	if got := call(t, handler, "PUT", one, map[string]any{}); len(got.body["errors"].([]any)) != len(body) {
		t.Errorf("no field: %v", got.body)
	}
	if got := call(t, handler, "DELETE", one, nil); got.status != http.StatusNoContent {
		t.Errorf("delete: %d", got.status)
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		if got := call(t, handler, method, one, body); got.status != http.StatusNotFound {
			t.Errorf("%s of what was deleted: %d", method, got.status)
		}
	}
	if got := call(t, handler, "PATCH", one, body); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") == "" {
		t.Errorf("patch: %d", got.status)
	}

	for content, want := range map[string]int{"{": 400, "[]": 422, strings.Repeat(" ", maxBody+1): 413} {
		request := httptest.NewRequest("POST", path, strings.NewReader(content))
		request.Header.Set("Content-Type", "application/json")
		if got := send(handler, request); got.status != want {
			t.Errorf("a body of %.10q: %d, want %d", content, got.status, want)
		}
	}
	if got := send(handler, httptest.NewRequest("POST", path, strings.NewReader("{}"))); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("without a media type: %d", got.status)
	}
	paths := call(t, handler, "GET", "/openapi.json", nil).body["paths"].(map[string]any)
	if paths[path] == nil || paths[path+"/{id}"] == nil {
		t.Errorf("openapi.json lacks %s", path)
	}
}
