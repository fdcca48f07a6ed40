// Command pack writes the archives of the templates that msctl has in it, from
// their folders. go generate ./templates runs it.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/msctl/msctl/templates"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err) //nolint:forbidigo // a main of its own
	}
}

func run() error {
	manifests, err := filepath.Glob(filepath.Join("*", templates.ManifestName))
	if err != nil {
		return err
	}
	for _, m := range manifests {
		dir := filepath.Dir(m)
		data, err := templates.Pack(os.DirFS(dir))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join("packed", dir+".tar.gz"), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
