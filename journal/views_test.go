package journal_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// visit is the n-th entry of a shop: who, and what was typed.
func visit(n int, query string, who noren.Entities) noren.Entry {
	e := entry("shop", n)
	e.Event.Kind, e.Event.Payload, e.Event.Entities = noren.HTTPRequest, &noren.Request{Method: "GET", Path: "/search", Query: query}, who
	e.Decision.Shadow = nil
	return e
}

func posted(t testing.TB, j *journal.Journal, list ...noren.Entry) {
	t.Helper()
	for _, e := range list {
		if err := j.Post(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func texts(t testing.TB, j *journal.Journal, q journal.TextQuery) (seqs []int64, last journal.TextStep) {
	t.Helper()
	looked := int64(-1)
	for s, err := range j.Text(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Hit != nil {
			seqs = append(seqs, s.Hit.Seq)
			continue
		}
		if s.Looked < looked || s.Looked > s.Of {
			t.Errorf("looked at %d of %d after %d", s.Looked, s.Of, looked)
		}
		looked, last = s.Looked, s
	}
	return seqs, last
}

func TestTextFindsWhatPeopleTakeForTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSealer()
		j := start(t, options(d, s))
		for n := range 700 {
			who, query := noren.Entities{noren.EntityAccount: "taro@example.jp"}, "ordinary"
			switch n {
			case 3:
				query = "ﾊﾝﾄﾞﾊﾞｯｸﾞ　ＳＡＬＥ"
			case 300:
				query = "ハンドバッグ sale"
			case 400:
				query, who = "ハンドバッグ sale", noren.Entities{noren.EntityAccount: "hanako@example.jp"}
			case 500:
				query = "STRASSE"
			case 650:
				who[noren.EntitySession] = "s-650"
			}
			posted(t, j, visit(n, query, who))
		}
		rollAll(t, j)
		q := func(words string) journal.TextQuery {
			return journal.TextQuery{SearchQuery: journal.SearchQuery{Log: "shop"}, Words: words}
		}
		for words, want := range map[string][]int64{
			"ハンドバッグ Sale": {400, 300, 3}, "ﾊﾝﾄﾞﾊﾞｯｸﾞ": {400, 300, 3}, "straße": {500}, "S-650": {650}, "hanako@": {400}, "nowhere": nil,
		} {
			got, last := texts(t, j, q(words))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", words, diff)
			}
			if last.Looked != 700 || last.Of != 700 {
				t.Errorf("%q: looked at %d of %d", words, last.Looked, last.Of)
			}
		}
		s.erase(noren.Subject{Kind: noren.EntityAccount, ID: "hanako@example.jp"})
		if got, _ := texts(t, j, q("ハンドバッグ")); !slices.Equal(got, []int64{300, 3}) {
			t.Errorf("after erasing: %v", got)
		}
		span := q("ハンドバッグ")
		span.Until, span.OldestFirst = day.Add(300*time.Millisecond), true
		if got, _ := texts(t, j, span); !slices.Equal(got, []int64{3}) {
			t.Errorf("within a span: %v", got)
		}
	})
}

func TestTextStopsAndGoesOn(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	for n := range 900 {
		posted(t, j, visit(n, fmt.Sprint("word-", n%100), noren.Entities{noren.EntityAccount: "taro@example.jp"}))
	}
	q := journal.TextQuery{SearchQuery: journal.SearchQuery{Log: "shop"}, Words: "word-7 get"}
	var got []int64
	for len(got) < 100 {
		before := len(got)
		for s, err := range j.Text(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			q.Cursor = s.Cursor
			if s.Hit != nil {
				got = append(got, s.Hit.Seq)
				break
			}
		}
		if len(got) == before {
			break
		}
	}
	// word-7 is part of word-70 to word-79 as well
	if len(got) != 99 || got[0] != 879 || !slices.IsSortedFunc(got, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("%d hits from %d on: %v", len(got), got[0], got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q.Cursor, q.Words = "", "nowhere"
	steps, ended := 0, false
	for _, err := range j.Text(ctx, q) {
		if err != nil {
			ended = true
			continue
		}
		steps++
		cancel()
	}
	if !ended || steps != 1 {
		t.Errorf("after cancelling: %d steps, ended %t", steps, ended)
	}
	for _, words := range []string{"", "  ", string(make([]byte, 300))} {
		for _, err := range j.Text(t.Context(), journal.TextQuery{SearchQuery: journal.SearchQuery{Log: "shop"}, Words: words}) {
			if noren.CodeOf(err) != noren.Invalid {
				t.Errorf("%q: %v, want code invalid", words, err)
			}
		}
	}
}

// TestStoryOfOneVisitor: who came without an account and signed in later is one
// story, and an office's address does not bring everybody in.
func TestStoryOfOneVisitor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		office := "198.51.100.1"
		var list []noren.Entry
		for n := range 400 {
			list = append(list, visit(n, "others", noren.Entities{noren.EntityAddress: office, noren.EntityAccount: fmt.Sprint("other", n, "@example.jp")}))
		}
		mine := func(n int, who noren.Entities) { list = append(list, visit(n, "mine", who)) }
		mine(400, noren.Entities{noren.EntityAddress: "203.0.113.5", noren.EntityDevice: "d1"})
		mine(401, noren.Entities{noren.EntityAddress: office, noren.EntityDevice: "d1", noren.EntitySession: "s1"})
		mine(402, noren.Entities{noren.EntityAddress: office, noren.EntityDevice: "d1", noren.EntitySession: "s1", noren.EntityAccount: "me@example.jp"})
		mine(403, noren.Entities{noren.EntityAddress: office, noren.EntityAccount: "me@example.jp"})
		mine(404, noren.Entities{noren.EntityAddress: "203.0.113.77", noren.EntityAccount: "me@example.jp"})
		posted(t, j, list...)
		q := journal.StoryQuery{Log: "shop", Field: noren.EntityAccount, Value: "me@example.jp", Within: time.Minute}
		st, err := j.Story(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		through := map[int64]string{}
		var seqs []int64
		for _, e := range st.Entries {
			seqs = append(seqs, e.Seq)
			through[e.Seq] = e.Through
		}
		if diff := cmp.Diff([]int64{400, 401, 402, 403, 404}, seqs); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		if through[402] != "" || through[401] != noren.EntitySession || through[400] != noren.EntityDevice {
			t.Errorf("through: %v", through)
		}
		shared := 0
		for _, l := range st.Linked {
			if l.Value == office && l.Shared && !l.Followed {
				shared++
			}
		}
		if shared != 1 || len(st.Linked) != 4 || st.More {
			t.Errorf("links: %+v, more %t", st.Linked, st.More)
		}
		q.Links = -1
		if st, err = j.Story(t.Context(), q); err != nil || len(st.Entries) != 3 {
			t.Errorf("without links: %d entries, %v", len(st.Entries), err)
		}
		q.Limit = 2
		if st, err = j.Story(t.Context(), q); err != nil || len(st.Entries) != 2 || !st.More || st.Entries[1].Seq != 404 {
			t.Errorf("the newest two: %+v, %v", st.Entries, err)
		}
		if _, err := j.Story(t.Context(), journal.StoryQuery{Log: "shop"}); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("a story of nobody: %v", err)
		}
	})
}

func TestStandingsAndBundle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := options(d, newSealer())
		sink, err := journal.NewDirectorySink(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		o.Outside = []journal.CheckpointSink{sink}
		j := start(t, o)
		appendN(t, j, "shop", 0, 10)
		if st, err := j.Standings(t.Context()); err != nil || len(st) != 1 || st[0].Last != nil || st[0].Unsigned != 10 || len(st[0].Outside) != 1 {
			t.Errorf("before the first checkpoint: %+v, %v", st, err)
		}
		if _, err := j.Checkpoint(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		appendN(t, j, "shop", 10, 13)
		st, err := j.Standings(t.Context())
		if err != nil || st[0].Last == nil || st[0].Last.Size != 10 || !st[0].Last.Left || st[0].LastOut.Size != 10 || st[0].Unsigned != 3 || st[0].Entries != 13 {
			t.Errorf("after it: %+v, %v", st, err)
		}
		var b bytes.Buffer
		if err := j.Bundle(t.Context(), &b, "shop", 12); err != nil {
			t.Fatal(err)
		}
		files := unzip(t, b.Bytes())
		p, err := journal.CheckProof(files["proof.json"], string(files["key.txt"]))
		if err != nil || p.Seq != 12 || p.Checkpoint != string(files["checkpoint.txt"]) || len(files["README.txt"]) == 0 {
			t.Errorf("proof of the bundle: %+v, %v", p, err)
		}
		if list, err := j.Checkpoints(t.Context(), "shop", 5); err != nil || len(list) != 2 || list[0].Size != 13 {
			t.Errorf("checkpoints: %+v, %v", list, err)
		}
		if err := j.Bundle(t.Context(), io.Discard, "shop", 99); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("bundle of no entry: %v", err)
		}
	})
}

func unzip(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	return out
}

// TestVerifyCanBeStopped: whoever looks at the page of proofs may leave.
func TestVerifyCanBeStopped(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	appendN(t, j, "shop", 0, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	_, err := j.Verify(ctx, journal.VerifyOptions{Progress: func(done, total int64) { calls++; cancel() }})
	if err == nil || calls != 1 {
		t.Errorf("stopped verification: %v after %d calls", err, calls)
	}
}

// TestTopsAndCounts compares ranges of hours and days with a scan.
func TestTopsAndCounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		for n := range 900 {
			k := n
			posted(t, j, mixed("shop", n, day.Add(time.Duration(n)*11*time.Minute), func(most int) int { k = k*7 + 3; return k % most }))
		}
		all := scan(t, j, "shop")
		for _, stage := range []string{"counted themselves", "rolled up"} {
			for _, r := range [][2]time.Duration{{0, 24 * 7 * time.Hour}, {5 * time.Hour, 6 * time.Hour}, {13 * time.Hour, 100 * time.Hour}, {6 * time.Hour, 30 * time.Hour}, {7 * time.Hour, 8*time.Hour + 20*time.Minute}} {
				since, until := day.Add(r[0]), day.Add(r[1])
				want := map[string]int64{}
				var blocked int64
				for i := range all {
					at := all[i].Event.At.Time
					if !at.Before(since) && at.Before(until.Add(time.Hour-1).Truncate(time.Hour)) {
						want[all[i].Rule] += all[i].Count
					}
					if !at.Before(since) && at.Before(until) && all[i].Decision.Verdict == noren.Block {
						blocked++
					}
				}
				tops, err := j.Tops(t.Context(), journal.TopQuery{Log: "shop", Since: since, Until: until, By: journal.ByRule})
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]int64{}
				for _, x := range tops.Top {
					got[x.Key] = x.Events
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s to %s (-scan +tops):\n%s", stage, r[0], r[1], diff)
				}
				q := journal.SearchQuery{Log: "shop", Since: since, Until: until, Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}, Within: time.Hour}
				if c, err := j.Count(t.Context(), q, 1000); err != nil || c.N != blocked || c.AtLeast {
					t.Errorf("%s, %s to %s: counted %+v, %v; want %d", stage, r[0], r[1], c, err, blocked)
				}
				if c, err := j.Count(t.Context(), q, 1); err != nil || c.N > 1 || blocked > 1 && !c.AtLeast {
					t.Errorf("%s: capped count %+v, %v", stage, c, err)
				}
			}
			rollAll(t, j)
		}
		// minutes are read from entries, and come in hours when there are too many
		tr, err := j.Trend(t.Context(), journal.TrendQuery{Log: "shop", Since: day, Until: day.Add(3 * time.Hour), Step: journal.StepMinutes})
		if err != nil || tr.Step != journal.StepMinutes || len(tr.Series[0].Points) != 36 || tr.Series[0].Entries != 17 {
			t.Errorf("five minutes: %+v, %v", tr.Step, err)
		}
		for _, q := range []journal.TrendQuery{{}, {Since: day, Until: day.Add(time.Hour)}, {Since: day, Until: day.Add(time.Hour), Step: time.Hour, By: "colour"}, {Since: day, Until: day.AddDate(60, 0, 0), Step: time.Hour}} {
			if _, err := j.Trend(t.Context(), q); noren.CodeOf(err) != noren.Invalid {
				t.Errorf("%+v: %v, want code invalid", q, err)
			}
		}
	})
}
