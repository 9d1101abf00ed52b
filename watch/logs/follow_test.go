package logs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// begin starts a log with two requests that were there before Noren.
func begin(t *testing.T) *world {
	w := newWorld(t)
	w.append(w.path, line("/before")+line("/before"))
	w.start()
	w.until("begun", func() bool { ps, _ := Positions(context.Background(), w.db); return len(ps) == 1 && ps[0].Offset > 0 })
	return w
}

func TestFirstStartReadsFromTheEnd(t *testing.T) {
	w := begin(t)
	w.write(w.path, 3)
	w.settled()
}

func TestFirstStartFromTheBeginning(t *testing.T) {
	w := newWorld(t)
	w.log.FromStart = true
	w.write(w.path, 4)
	w.start()
	w.settled()
}

func TestLogThatIsMadeLater(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.until("said", func() bool { return strings.Contains(w.said.String(), "log cannot be read") })
	w.write(w.path, 3)
	w.settled()
}

// In each way a log may be rotated every line is raised once, in order, whether
// Noren runs meanwhile or not.
func TestRotation(t *testing.T) {
	ways := map[string]func(w *world, n int){
		"rename and create": func(w *world, n int) {
			w.must(os.Rename(w.path, fmt.Sprintf("%s.%d", w.path, n)))
			w.append(w.path, "")
		},
		"renamed by date": func(w *world, n int) {
			w.must(os.Rename(w.path, fmt.Sprintf("%s-202601%02d", w.path, n)))
			w.append(w.path, "")
		},
		"copy and truncate": func(w *world, n int) {
			b, err := os.ReadFile(w.path)
			w.must(err)
			w.must(os.WriteFile(fmt.Sprintf("%s.%d", w.path, n), b, 0o600))
			w.must(os.Truncate(w.path, 0))
		},
		"symlink to another file": func(w *world, n int) {
			if _, err := os.Readlink(w.path); err != nil { // the first time: the log becomes a link
				w.must(os.Rename(w.path, w.path+"-1000"))
			} else {
				w.must(os.Remove(w.path))
			}
			target := fmt.Sprintf("%s-%d", w.path, 1000+n)
			w.append(target, "")
			w.must(os.Symlink(target, w.path))
		},
	}
	for name, rotate := range ways {
		t.Run(name, func(t *testing.T) {
			t.Run("while running", func(t *testing.T) {
				w := begin(t)
				for n := range 3 {
					w.write(w.path, 5)
					w.settled()
					rotate(w, n+1)
				}
				w.write(w.path, 5)
				w.settled()
			})
			t.Run("while away", func(t *testing.T) {
				w := begin(t)
				w.write(w.path, 5)
				w.settled()
				w.stop()
				for n := range 3 {
					w.write(w.path, 5)
					time.Sleep(12 * time.Millisecond) // file times, by which rotated files are ordered
					rotate(w, n+1)
				}
				w.write(w.path, 5)
				w.start()
				w.settled()
			})
		})
	}
}

// The file is renamed and its writer goes on writing until it is told.
func TestWriterThatHoldsTheOldFile(t *testing.T) {
	w := begin(t)
	w.write(w.path, 2)
	w.settled()
	w.must(os.Rename(w.path, w.path+".1"))
	w.write(w.path+".1", 2)
	w.settled()
	w.append(w.path, "")
	w.write(w.path+".1", 2)
	w.settled()
	w.write(w.path, 2)
	w.settled()
}

// What was compressed meanwhile is left alone and said.
func TestRotatedAwayAndCompressed(t *testing.T) {
	w := begin(t)
	w.write(w.path, 2)
	w.settled()
	w.stop()
	w.append(w.path, line("/lost"))
	w.must(os.Rename(w.path, w.path+".1.gz"))
	w.write(w.path, 2)
	w.start()
	w.settled()
	if !strings.Contains(w.said.String(), "rotated away before it was read to its end") {
		t.Error(w.said)
	}
}

// Bad lines are counted and never fatal; memory is bounded whatever they are.
func TestBadLines(t *testing.T) {
	w := begin(t)
	long := strings.Repeat("x", 3*MaxLine+17)
	w.append(w.path, "nonsense\n\xff\xfe\x00\n"+long+"\n"+line("/"+long)+"\n"+strings.Repeat("\x00", 3*MaxLine)+"\n")
	w.write(w.path, 1)
	w.append(w.path, strings.Repeat("\x00", 100)) // a hole, then a line
	w.write(w.path, 1)
	half := line("/3")
	w.append(w.path, half[:20])
	w.settled()
	w.append(w.path, half[20:])
	w.n++
	w.settled()
	w.until("stored", func() bool { return w.position().Lines >= 8 })
	if p := w.position(); p.Bad != 5 || p.Raised != 3 {
		t.Errorf("%+v", p)
	}
}

func TestCarriageReturnsAndEncodings(t *testing.T) {
	w := begin(t)
	w.append(w.path, strings.Replace(line("/%93%FA/\x93\xfa\x96{"), "\n", "\r\n", 1))
	w.until("read", func() bool { return len(w.got.paths()) == 1 })
	if p := w.got.paths()[0]; p != "/%93%FA/\uFFFD{" && p != "/%93%FA/\uFFFD\uFFFD{" {
		t.Errorf("%q", p)
	}
	for _, ev := range w.got.events {
		ev.At = noren.At(time.Now())
		if err := ev.Valid(); err != nil {
			t.Error(err)
		}
	}
}

// While events cannot be recorded a line is not left behind.
func TestLinesWaitForTheRecord(t *testing.T) {
	w := begin(t)
	w.got.refuseWith(noren.Errorf(noren.Unavailable, "database away"))
	w.write(w.path, 3)
	w.until("said", func() bool { return strings.Contains(w.said.String(), "not recorded") })
	w.got.refuseWith(nil)
	w.settled()
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	w := newWorld(t)
	w.must(os.Mkdir(w.path, 0o700))
	w.start()
	w.until("said", func() bool { return strings.Contains(w.said.String(), "no regular file") })
}

// Two logs of one machine do not mix, and a log that is taken off the list is
// read no more.
func TestSetChangesWhatIsRead(t *testing.T) {
	w := newWorld(t)
	other := w.log
	other.Path = filepath.Join(w.dir, "other.log")
	w.append(w.path, "")
	w.append(other.Path, "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r := New(w.options(), []Log{w.log})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	begun := func(n int) func() bool {
		return func() bool { ps, _ := Positions(ctx, w.db); return len(ps) == n }
	}
	w.until("begun", begun(1))
	w.write(w.path, 1)
	r.Set([]Log{other})
	w.until("changed", begun(2))
	w.append(w.path, line("/not-read"))
	w.append(other.Path, line("/of-the-other"))
	w.until("read", func() bool { return strings.Contains(strings.Join(w.got.paths(), " "), "/of-the-other") })
	if strings.Contains(strings.Join(w.got.paths(), " "), "/not-read") {
		t.Error("a log that was taken off the list was read")
	}
}

func TestPositionsOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := worldOn(t, d)
		w.log.FromStart = true
		w.write(w.path, 3)
		w.append(w.path, "bad\n")
		w.start()
		w.settled()
		w.stop()
		p := w.position()
		info, _ := os.Stat(w.path)
		if p.Offset != info.Size() || p.Lines != 4 || p.Bad != 1 || p.Raised != 3 || p.Site != "shop" || p.Node != "node" || p.LineAt.IsZero() {
			t.Errorf("%+v, size %d", p, info.Size())
		}
	})
}

// A process that is killed at any moment: every line is raised, and those that
// are raised twice have the id they had before.
func TestKill(t *testing.T) {
	if os.Getenv("NOREN_LOGS_CHILD") != "" {
		t.Skip("this is the child")
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("NOREN_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	w.append(w.path, "")
	raised := filepath.Join(w.dir, "raised")
	url := "sqlite:" + filepath.Join(w.dir, "child.db")
	w.db = dbtest.OpenURL(t, db.Options{URL: url})
	for round := range 12 {
		child := exec.Command(os.Args[0], "-test.run=TestKillChild")
		child.Env = append(os.Environ(), "NOREN_LOGS_CHILD="+url, "NOREN_LOGS_PATH="+w.path, "NOREN_LOGS_RAISED="+raised)
		out, err := child.StdoutPipe()
		w.must(err)
		w.must(child.Start())
		t.Cleanup(func() { child.Process.Kill() }) // also when the test gives up
		bufio.NewReader(out).ReadString('\n')      // it runs
		w.until("begun", func() bool { ps, _ := Positions(context.Background(), w.db); return len(ps) == 1 })
		for range 1 + rng.IntN(4) {
			w.write(w.path, rng.IntN(40))
			time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
		}
		switch round % 3 {
		case 1:
			w.must(os.Rename(w.path, fmt.Sprintf("%s.%d", w.path, round+1)))
			w.append(w.path, "")
		case 2:
			b, _ := os.ReadFile(w.path)
			w.must(os.WriteFile(fmt.Sprintf("%s.%d", w.path, round+1), b, 0o600))
			w.must(os.Truncate(w.path, 0))
		}
		t.Logf("round %d ends before %d", round, w.n)
		w.write(w.path, rng.IntN(10))
		if round == 11 {
			missing := func() (out []string) {
				ids, _ := raisedIDs(raised)
				have := map[string]bool{}
				for _, p := range ids {
					have[p] = true
				}
				for i := range w.n {
					if p := fmt.Sprintf("/%d", i+1); !have[p] {
						out = append(out, p)
					}
				}
				return out
			}
			defer func() {
				if t.Failed() {
					t.Logf("missing %v", missing())
				}
			}()
			w.until("all of it", func() bool { return len(missing()) == 0 })
		}
		child.Process.Kill()
		io.Copy(io.Discard, out)
		child.Wait()
	}
	ids, again := raisedIDs(raised)
	if len(ids) != w.n {
		t.Errorf("%d requests, %d different ids", w.n, len(ids))
	}
	paths := map[string]string{}
	for id, p := range ids {
		if other, dup := paths[p]; dup {
			t.Errorf("%s has ids %s and %s", p, id, other)
		}
		paths[p] = id
	}
	t.Logf("%d requests, %d raised again after kills", w.n, again)
}

// raisedIDs reads what children raised: path by id, and how many came twice.
func raisedIDs(file string) (ids map[string]string, again int) {
	b, _ := os.ReadFile(file)
	ids = map[string]string{}
	for l := range strings.SplitSeq(string(b), "\n") {
		if id, path, ok := strings.Cut(l, " "); ok {
			if _, dup := ids[id]; dup {
				again++
			}
			ids[id] = path
		}
	}
	return ids, again
}

// fileDecider writes what it is given before it returns, as the journal does.
type fileDecider struct{ f *os.File }

func (d fileDecider) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	_, err := fmt.Fprintf(d.f, "%s %s\n", ev.ID, ev.Payload.(*noren.Request).Path)
	return noren.Decision{Verdict: noren.Allow}, err
}

func TestKillChild(t *testing.T) {
	url := os.Getenv("NOREN_LOGS_CHILD")
	if url == "" {
		t.Skip("started by TestKill")
	}
	f, err := os.OpenFile(os.Getenv("NOREN_LOGS_RAISED"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.OpenURL(t, db.Options{URL: url})
	r := New(Options{DB: d, Node: "node", Decider: fileDecider{f}, Shop: func(string) Shop { return plainShop{} }, Poll: time.Millisecond, Grace: 20 * time.Millisecond},
		[]Log{{Site: "shop", Path: os.Getenv("NOREN_LOGS_PATH"), Format: "nginx", FromStart: true}})
	fmt.Println("running")
	r.Run(context.Background())
}
