//go:build race

package http1

// racing: the race detector takes memory of its own.
const racing = true
