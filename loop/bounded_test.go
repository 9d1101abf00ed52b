package loop

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type boundKey struct{}

func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, leave := context.WithCancel(context.WithValue(t.Context(), boundKey{}, "value"))
		leave()
		b := bound(parent, time.Second)
		if b.Err() != nil || b.Value(boundKey{}) != "value" || context.Cause(b) != nil {
			t.Error("it ends with its parent, or lost its values")
		}
		child, cancel := context.WithTimeout(b, time.Hour)
		defer cancel()
		ran := false
		context.AfterFunc(b, func() { ran = true })
		time.Sleep(999 * time.Millisecond)
		if b.Err() != nil || child.Err() != nil {
			t.Error("it is over too early")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		<-b.Done()
		if !errors.Is(b.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) || !ran || b.Value(boundKey{}) != "value" {
			t.Errorf("after its time: %v, child %v, %v", b.Err(), child.Err(), ran)
		}

		quiet := bound(parent, time.Second)
		time.Sleep(time.Second)
		if !errors.Is(quiet.Err(), context.DeadlineExceeded) {
			t.Error("one that nobody waits for does not end")
		}
		<-quiet.Done()

		released := bound(parent, time.Second)
		done := released.Done()
		released.release()
		<-done
		if !errors.Is(released.Err(), context.Canceled) {
			t.Error("one that is released goes on")
		}
	})
}
