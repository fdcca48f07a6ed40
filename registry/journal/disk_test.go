package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFullDiskIsToldOnceAndHealed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("needs /dev/full: %v", err)
	}
	defer full.Close()
	var told []error
	j, _, err := Open(filepath.Join(t.TempDir(), "j"), func(err error) { told = append(told, err) })
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	j.Write(Change{"a", 1})
	file := j.file
	j.file = full
	j.Write(Change{"a", 2})
	j.Write(Change{"b", 2})
	if len(told) != 1 || !strings.Contains(told[0].Error(), "no space left") {
		t.Errorf("told %v", told)
	}
	j.file = file
	j.Write(Change{"c", 3})
	j.file = full
	j.Write(Change{"c", 4})
	j.file = file
	if len(told) != 2 {
		t.Errorf("told %v", told)
	}
	got := ""
	if err := j.Each(func(key string, value json.RawMessage) error { got += key + string(value) + " "; return nil }); err != nil {
		t.Fatal(err)
	}
	if got != "a1 c3 " {
		t.Errorf("it has %q", got)
	}
}
