//go:build !linux

package runtime

import "time"

// refused leaves it to the dial to tell.
func refused(string) bool { return false }

// lookAll leaves all to the long way.
func lookAll(looks []look, _ time.Duration) []error {
	answers := make([]error, len(looks))
	for n := range answers {
		answers[n] = errLate
	}
	return answers
}
