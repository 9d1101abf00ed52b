package main

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/notify"
)

// told is what the log's lines became.
func told(t *testing.T, says string, args ...any) notify.Notice {
	t.Helper()
	te := newTeller(slog.New(slog.DiscardHandler), "web1")
	te.logger().Error(says, args...)
	if len(te.pending) != 1 {
		t.Fatalf("%d notices", len(te.pending))
	}
	for _, n := range te.pending {
		return *n
	}
	return notify.Notice{}
}

// Every line of the table is one that the program logs: whoever rewords an alarm
// finds out here.
func TestTableNamesLinesOfTheLog(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, "telltable.go") {
			b, rerr := os.ReadFile(path)
			source.Write(b)
			return rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, keys := source.String(), map[string]string{}
	for _, row := range tellTable() {
		stem := row.says
		if s, ok := strings.CutPrefix(stem, "a server of the shop is "); ok && s != "well again" {
			stem = "a server of the shop is " // the state follows
		}
		if !strings.Contains(text, `"`+stem) {
			t.Errorf("nothing logs %q", row.says)
		}
		if row.title.Ja == "" || row.title.En == "" || row.next.Ja == "" || row.next.En == "" {
			t.Errorf("%s lacks words", row.key)
		}
		if before := keys[row.says]; before != "" {
			t.Errorf("%q stands twice", row.says)
		}
		keys[row.says] = row.key
		n := told(t, row.says, "alarm", true, "site", "shop")
		if n.Severity != row.severity || !strings.HasPrefix(n.Key, row.key) || n.Site != "shop" {
			t.Errorf("%s: %+v", row.key, n)
		}
	}
}

func TestAlarmsBecomeNotices(t *testing.T) {
	policy := told(t, "Somebody walks through the shop's back rooms", "alarm", true, "severity", noren.AlarmCritical, "site", "shop", "policy", "intrusion-done",
		"zone", noren.ZoneAdmin, "event", "01EVENT", "address", "203.0.113.77", "ja", "侵入の疑いがあります")
	if policy.Severity != notify.High || policy.Key != "policy-intrusion-done" || policy.Title.Ja != "侵入の疑いがあります" {
		t.Errorf("%+v", policy)
	}
	if !strings.Contains(policy.Text.Ja, "203.0.113.x") || strings.Contains(policy.Text.Ja+policy.Text.En, "203.0.113.77") {
		t.Errorf("the address: %q", policy.Text)
	}
	cert := told(t, "the certificate has ended", "alarm", true, "site", "shop", "host", "shop.test", "grade", "F", "hint", "renew it")
	if cert.Severity != notify.High || cert.Key != "certificate-shop.test" || cert.Next.En != "renew it" {
		t.Errorf("%+v", cert)
	}
	unknown := told(t, "something new", "alarm", true, "site", "../../etc", "err", "secret words", "hint", "look there")
	if unknown.Severity != notify.Middle || unknown.Key != "alarm-something-new" || unknown.Site != "" || strings.Contains(unknown.Text.Ja+unknown.Next.Ja, "secret") {
		t.Errorf("%+v", unknown)
	}
	te := newTeller(slog.New(slog.DiscardHandler), "web1")
	log := te.logger().With("alarm", true).WithGroup("g")
	log.Error("database")
	te.logger().Error("no alarm")
	te.logger().Info("neither", "alarm", false)
	if len(te.pending) != 1 {
		t.Errorf("%d notices", len(te.pending))
	}
}

// A flood of alarms stays small in memory and is one notice with a count.
func TestFloodOfAlarms(t *testing.T) {
	te := newTeller(slog.New(slog.DiscardHandler), "web1")
	log := te.logger()
	for i := range 10_000 {
		log.Error("shop does not answer", "alarm", true, "site", "shop")
		log.Error("a server of the shop is down", "alarm", true, "site", "shop", "server", "s"+strings.Repeat("x", i%700))
	}
	if n := len(te.pending); n > tellAtMost {
		t.Errorf("%d notices", n)
	}
	if n := te.pending[tellKey{"shop", "shop-silent"}]; n == nil || n.Count != 10_000 {
		t.Errorf("%+v", n)
	}
}

// While the database is away nothing is lost: what is high is tried past it, and
// all is stored once it is back.
func TestAlarmsWaitForTheDatabase(t *testing.T) {
	var away atomic.Bool
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: func(db.FaultPoint) db.Fault { return db.Fault{Fail: away.Load()} }})
	r, err := notify.Parse("notify.yaml", []byte("version: 1\nreceivers: [{name: owner, mail: owner@shop.test}]\ntell: {high: [owner]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	te := newTeller(slog.New(slog.NewTextHandler(&said, nil)), "web1")
	te.notify = notify.New(notify.Options{DB: d, Setup: notify.Setup{Rules: map[string]*notify.Rules{"": r}}})
	away.Store(true)
	log := te.logger()
	for range 3 {
		log.Error("database", "alarm", true)
		log.Error("shared state is away; this node enforces its share of every limit alone", "alarm", true)
		te.flush(t.Context())
	}
	if n := strings.Count(said.String(), "people could not be told while the database is away"); n != 1 {
		t.Errorf("tried past the database %d times (there is no mail server here):\n%s", n, said.String())
	}
	away.Store(false)
	te.flush(t.Context())
	all, err := te.notify.List(t.Context(), notify.Query{})
	if err != nil || len(all) != 2 || all[0].Count != 3 || all[1].Count != 3 || len(te.pending) != 0 {
		t.Fatal(all, err, len(te.pending))
	}
	if got := all[0].At.Time; time.Since(got) > time.Minute {
		t.Error(got)
	}
}
