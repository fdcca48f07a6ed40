package runtime

import (
	"strings"
	"testing"
	"time"

	"github.com/msctl/msctl/stack"
)

func TestBackoff(t *testing.T) {
	b := backoff{policy: stack.Restart{Mode: stack.RestartOnFailure}}
	now := time.Now()
	near := func(v verdict, want time.Duration) {
		t.Helper()
		if !v.Restart || v.Delay < want*9/10 || v.Delay > want*11/10 {
			t.Errorf("verdict %+v, want a restart in about %s", v, want)
		}
	}
	if v := b.ended(false, time.Second, now); v.Delay != 0 || !v.Restart || v.Loop != "" {
		t.Errorf("the first restart is not at once: %+v", v)
	}
	near(b.ended(false, time.Second, now), 100*time.Millisecond)
	v := b.ended(false, time.Second, now.Add(3*time.Second))
	near(v, 200*time.Millisecond)
	if v.Loop != "crash loop: 3 exits in 3s" {
		t.Errorf("loop %q", v.Loop)
	}
	for range 60 {
		v = b.ended(false, 0, now)
	}
	near(v, backoffMax)
	if v := b.ended(false, backoffReset, now); v.Delay != 0 || v.Loop != "" {
		t.Errorf("a stable run does not reset: %+v", v)
	}
}

func TestRestartPolicies(t *testing.T) {
	for _, c := range []struct {
		policy           string
		restart          stack.Restart
		success, failure int // restarts in 5 ends
	}{
		{"no", stack.Restart{Mode: stack.RestartNo}, 0, 0},
		{"on-failure", stack.Restart{Mode: stack.RestartOnFailure}, 0, 5},
		{"on-failure:2", stack.Restart{Mode: stack.RestartOnFailure, Max: 2}, 0, 2},
		{"always", stack.Restart{Mode: stack.RestartAlways}, 5, 5},
		{"unless-stopped", stack.Restart{Mode: stack.RestartUnlessStopped}, 5, 5},
	} {
		for _, success := range []bool{true, false} {
			b, n, want := backoff{policy: c.restart}, 0, c.failure
			if success {
				want = c.success
			}
			for range 5 {
				if b.ended(success, 0, time.Now()).Restart {
					n++
				}
			}
			if n != want {
				t.Errorf("%s, success %v: %d restarts of 5, want %d", c.policy, success, n, want)
			}
		}
	}
}

func TestEnvName(t *testing.T) {
	for in, want := range map[string]string{"catalog": "CATALOG", "user-api": "USER_API", "a.b_c9": "A_B_C9"} {
		if got := EnvName(in); got != want || strings.ToUpper(got) != got {
			t.Errorf("EnvName(%q) = %q, want %q", in, got, want)
		}
	}
}
