package gateway

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// killer records, and kills its own process before anything is stored.
type killer struct{}

func (killer) Decide(context.Context, noren.Event) (noren.Decision, error) {
	fmt.Println("recorded")
	return noren.Decision{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func openTestEmergency(t *testing.T, d *db.DB, sealer Sealer, raise noren.Decider) *Emergency {
	t.Helper()
	e, err := OpenEmergency(t.Context(), EmergencyOptions{DB: d, Sealer: sealer, Poll: 5 * time.Millisecond,
		Sites: func() []Site { return []Site{{Name: "shop", Preset: "sampleshop"}} }})
	if err != nil {
		t.Fatal(err)
	}
	if raise != nil {
		e.RaiseTo(raise)
	}
	return e
}

func (e *Emergency) isOn(s Switch) bool { return e.on("shop", s, time.Now()) != nil }

// Killed between record and row nothing is half: the switch is as it was before,
// who asked for it was never told otherwise, and asking again makes it so.
func TestKilledBetweenRecordAndRow(t *testing.T) {
	const asks = "NOREN_TEST_SWITCH"
	if url := os.Getenv(asks); url != "" {
		e := openTestEmergency(t, dbtest.OpenURL(t, db.Options{URL: url}), newSealer(t), killer{})
		on := os.Getenv(asks+"_ON") == "true"
		t.Fatal("outlived it: ", e.Set(t.Context(), "shop", SwitchCard, on, noren.Time{}, "taro", "x"))
	}
	dbtest.EachURL(t, func(t *testing.T, url string) {
		d := dbtest.OpenURL(t, db.Options{URL: url})
		e := openTestEmergency(t, d, newSealer(t), &loopback{})
		for _, on := range []bool{true, false} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilledBetweenRecordAndRow$")
			cmd.Env = append(os.Environ(), asks+"="+url, fmt.Sprintf("%s_ON=%v", asks, on))
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "recorded") || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child: %v\n%s", err, out)
			}
			if err := e.Refresh(t.Context()); err != nil || e.isOn(SwitchCard) == on {
				t.Errorf("asked for %v: half of it is in force (%v)", on, err)
			}
			if err := e.Set(t.Context(), "shop", SwitchCard, on, noren.Time{}, "taro", "again"); err != nil || e.isOn(SwitchCard) != on {
				t.Errorf("asked again for %v: %v", on, err)
			}
		}
	})
}

// What one node switches is in force on the others within their poll, with who
// and why, and stays over a restart.
func TestSwitchesFollowOtherNodes(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		sealer := newSealer(t)
		open := func() *Emergency {
			return openTestEmergency(t, dbtest.OpenURL(t, db.Options{URL: url}), sealer, &loopback{})
		}
		a, b := open(), open()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		defer func() { stop(); <-done }()
		for _, on := range []bool{true, false, true} {
			if err := a.Set(t.Context(), "shop", SwitchLogin, on, noren.Time{}, "taro", "leaked passwords"); err != nil {
				t.Fatal(err)
			}
			if a.isOn(SwitchLogin) != on {
				t.Error("this node does not do what it was told")
			}
			for deadline := time.Now().Add(20 * time.Second); b.isOn(SwitchLogin) != on; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the other node never followed")
				}
			}
		}
		for name, e := range map[string]*Emergency{"the other": b, "a new one": open()} {
			st := e.on("shop", SwitchLogin, time.Now())
			if st == nil || st.Author != "taro" || st.Reason != "leaked passwords" || st.Since.IsZero() {
				t.Errorf("%s: %+v", name, st)
			}
		}
		// Without the key of its month a switch stays on, and nobody is named.
		other := openTestEmergency(t, dbtest.OpenURL(t, db.Options{URL: url}), newSealer(t), nil)
		if st := other.on("shop", SwitchLogin, time.Now()); st == nil || st.Author != "" {
			t.Errorf("without the key: %+v", st)
		}
		if err := other.Set(t.Context(), "shop", SwitchCard, true, noren.Time{}, "", ""); noren.CodeOf(err) != noren.Unavailable {
			t.Errorf("a change that nobody records: %v", err)
		}
	})
}
