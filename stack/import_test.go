package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const composeFile = `# the shop
version: "3.9"
services:
  # what people see
  web:
    build: ./web
    container_name: shop-web
    networks: [front]
    environment:
      A: b # why
    depends_on:
      - db
    restart: sometimes
  db:
    image: postgres:17
    healthcheck:
      test: [CMD, pg_isready]
      start_interval: 1s
networks:
  front:
`

func TestImportComposeKeepsWhatCanStay(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "web"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, dropped, err := ImportCompose(filepath.Join(dir, "compose.yaml"), []byte(composeFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `# the shop
services:
  # what people see
  web:
    build: ./web
    environment:
      A: b # why
    depends_on:
      - db
  db:
    image: postgres:17
    healthcheck:
      test: [CMD, pg_isready]
`
	if string(out) != want {
		t.Errorf("got\n%s", out)
	}
	var said strings.Builder
	for _, d := range dropped {
		said.WriteString(d.Error() + " | " + d.Hint + " | " + d.Line + "\n")
	}
	for _, line := range []string{
		`compose.yaml:7:5: services.web.container_name: `,
		`remove it: instances are called <service>-<n> |     container_name: shop-web`,
		`compose.yaml:8:5: services.web.networks: `,
		`compose.yaml:13:5: services.web.restart: `,
		`compose.yaml:18:7: services.db.healthcheck.start_interval: `,
		`compose.yaml:2:1: version: `,
		`compose.yaml:19:1: networks: `,
	} {
		if !strings.Contains(said.String(), line) {
			t.Errorf("%q is not said:\n%s", line, said.String())
		}
	}
	if len(dropped) != 6 {
		t.Errorf("%d are dropped:\n%s", len(dropped), said.String())
	}
}

func TestImportComposeRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", "a: [", "[]", "services: {}", "hello"} {
		if out, _, err := ImportCompose("/compose.yaml", []byte(text), nil); err == nil {
			t.Errorf("%q gives %q", text, out)
		}
	}
}

func FuzzImportCompose(f *testing.F) {
	f.Add(composeFile)
	f.Add("services:\n  a: &x {image: i, ports: [{target: 1}]}\n  b: {<<: *x, links: [a]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, _, err := ImportCompose("/nowhere/compose.yaml", []byte(text), nil)
		if err != nil {
			return
		}
		l := newLoader("/nowhere", "/nowhere/stack.yaml", nil)
		l.main("/nowhere/stack.yaml", out)
		if err := l.err(); err != nil {
			t.Errorf("%q gives what is no stack file: %v\n%s", text, err, out)
		}
	})
}
