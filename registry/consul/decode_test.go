package consul

import (
	"encoding/json"
	"testing"
)

// FuzzDefinition: what is taken of a registration can be said again, and is
// taken as the same.
func FuzzDefinition(f *testing.F) {
	f.Add([]byte(`{"name": "web", "tagged_addresses": {"lan": {"Address": "a", "Port": 1}}, "check": {"ttl": "1s", "deregister_critical_service_after": 5}}`))
	f.Add([]byte(`{"Name": "web", "Checks": [{"HTTP": "http://a", "Interval": "1s", "Header": {"a": ["b"]}}], "Weights": {"Passing": 1}, "Meta": {"a_b": "c"}}`))
	f.Add([]byte(`{"_": 1, "na_me": "x", "name": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d, again definition
		if json.Unmarshal(data, &d) != nil {
			return
		}
		said, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(said, &again); err != nil {
			t.Fatalf("%s: %v", said, err)
		}
		if repeated, err := json.Marshal(again); err != nil || string(repeated) != string(said) {
			t.Errorf("got %s, %v, want %s", repeated, err, said)
		}
		for _, k := range d.Checks {
			if k.valid() == nil {
				k.record()
			}
		}
	})
}
