package stack

import (
	"fmt"
	"strings"
	"testing"
)

// Loading stands between the user and the first process.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("services:\n")
			for i := range n {
				fmt.Fprintf(&text, "  s%d:\n    command: ./svc --port %d\n    port: %d\n    environment: {A: b, C: \"${C:-d}\"}\n    healthcheck: {http: /readyz, interval: 2s}\n", i, 20000+i, 20000+i)
			}
			file := write(b, map[string]string{FileName: text.String()})
			for b.Loop() {
				if _, err := Load(Options{File: file}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
