package wire

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWaitReturnsWithTheLastEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f Flight
		f.Begin()
		f.Begin()
		var waiting sync.WaitGroup
		returned := false
		waiting.Go(func() {
			if err := f.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			returned = true
		})
		f.End()
		synctest.Wait()
		if returned {
			t.Error("Wait returned while one was under way")
		}
		f.End()
		waiting.Wait()
		if err := f.Wait(t.Context()); err != nil || f.Count() != 0 {
			t.Errorf("with nothing under way: %v, %d", err, f.Count())
		}
	})
}

func TestContextEndsWait(t *testing.T) {
	var f Flight
	f.Begin()
	defer f.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
