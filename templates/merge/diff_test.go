package merge

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// apply makes b of a by edits, the lines between being a's.
func apply(a, b []int, edits []edit) []int {
	var out []int
	at := 0
	for _, e := range edits {
		out = append(append(out, a[at:e.a0]...), b[e.b0:e.b1]...)
		at = e.a1
	}
	return append(out, a[at:]...)
}

// shortest counts the lines that have to be removed and added at least.
func shortest(a, b []int) int {
	row := make([]int, len(b)+1) // of the longest common subsequence
	for _, x := range a {
		before := 0
		for j, y := range b {
			here := row[j+1]
			if x == y {
				row[j+1] = before + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			before = here
		}
	}
	return len(a) + len(b) - 2*row[len(b)]
}

func TestDiffIsShortest(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 4))
		a, b := make([]int, r.IntN(30)), make([]int, r.IntN(30))
		for _, s := range [][]int{a, b} {
			for i := range s {
				s[i] = r.IntN(6)
			}
		}
		edits, n := diff(a, b), 0
		for _, e := range edits {
			n += e.a1 - e.a0 + e.b1 - e.b0
		}
		if got := apply(a, b, edits); !slices.Equal(got, b) {
			t.Fatalf("%v to %v by %v: got %v", a, b, edits, got)
		}
		if want := shortest(a, b); n != want {
			t.Fatalf("%v to %v: %d lines changed by %v, want %d", a, b, n, edits, want)
		}
	}
}

// Texts with little in common are given up on early, and are right all the same.
func TestHugeDiffs(t *testing.T) {
	const n = 30_000
	r := rand.New(rand.NewPCG(1, 5))
	numbers := func(n int, of func(i int) int) []int {
		out := make([]int, n)
		for i := range out {
			out[i] = of(i)
		}
		return out
	}
	up := func(i int) int { return i }
	few := func(int) int { return r.IntN(50) }
	for name, c := range map[string][2][]int{
		"all different": {numbers(100_000, up), numbers(100_000, func(i int) int { return 100_000 + i })},
		"shuffled":      {numbers(n, up), r.Perm(n)},
		"reversed":      {numbers(n, up), numbers(n, func(i int) int { return n - i })},
		"few kinds":     {numbers(n, few), numbers(n, few)},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			edits := diff(c[0], c[1])
			took := time.Since(start)
			if !slices.Equal(apply(c[0], c[1], edits), c[1]) {
				t.Error("the edits do not make b of a")
			}
			t.Logf("%v, %d edits", took, len(edits))
			if took > 20*time.Second { // with the race detector, on a busy machine
				t.Errorf("took %v", took)
			}
		})
	}
}
