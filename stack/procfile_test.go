package stack

import (
	"strings"
	"testing"
)

func TestImportProcfile(t *testing.T) {
	out, err := ImportProcfile("Procfile", []byte("# x\nweb: python3 app.py --port $PORT\n\nworker:  sh -c 'a: b'\nrelease: ./migrate\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `services:
  web:
    command: python3 app.py --port $PORT
    route: /
    depends_on:
      release:
        condition: service_completed_successfully
  worker:
    command: 'sh -c ''a: b'''
    depends_on:
      release:
        condition: service_completed_successfully
  release:
    command: ./migrate
    kind: job
`
	if string(out) != want {
		t.Errorf("got\n%s", out)
	}
	for text, want := range map[string]string{"": "no processes", "web": "Procfile:1: want name: command", "a: b\n\nA: c": "Procfile:3: a is there already"} {
		if _, err := ImportProcfile("Procfile", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzImportProcfile(f *testing.F) {
	f.Add("web: a\n# b\nrelease: c #d: e\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := ImportProcfile("Procfile", []byte(text))
		if err != nil {
			return
		}
		if _, err := newSheet(FileName, out); err != nil {
			t.Errorf("%q: %v\n%s", text, err, out)
		}
	})
}
