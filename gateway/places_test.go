package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

// hall are places with a clock of the test.
type hall struct {
	*Places
	loop *loopback
	now  *time.Time
}

func openHall(t testing.TB, d *db.DB, s Sealer, now *time.Time, loop *loopback) hall {
	t.Helper()
	p, err := OpenPlaces(t.Context(), PlacesOptions{DB: d, Sealer: s, Now: func() time.Time { return *now }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	p.RaiseTo(loop)
	return hall{p, loop, now}
}

func (h hall) set(t testing.TB, name, network string, last time.Duration) NamedPlace {
	t.Helper()
	p := NamedPlace{Site: "shop", Name: name, Networks: []netip.Prefix{netip.MustParsePrefix(network)}, Author: "hanako", Reason: "a test"}
	if last > 0 {
		p.Until = noren.At(h.now.Add(last))
	}
	made, _, err := h.Set(t.Context(), p, false)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (h hall) has(name, addr string) bool {
	return h.In("shop", name, netip.MustParseAddr(addr), *h.now)
}

func TestPlacesOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now, sealer, loop := noon, newSealer(t), &loopback{}
		a, b := openHall(t, d, sealer, &now, loop), openHall(t, d, sealer, &now, loop)
		a.set(t, "本社", "198.51.100.0/28", 0)
		a.set(t, "制作会社", "203.0.113.7/32", time.Hour)
		if err := b.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := openHall(t, d, sealer, &now, loop)
		for node, h := range map[string]hall{"this node": a, "the other": b, "a new one": c} {
			if !h.has("本社", "198.51.100.3") || h.has("本社", "198.51.100.16") || h.has("本店", "198.51.100.3") || !h.has("制作会社", "203.0.113.7") {
				t.Errorf("%s: %+v", node, h.List("shop"))
			}
			if h.In("other", "本社", netip.MustParseAddr("198.51.100.3"), now) {
				t.Errorf("%s: another site's place", node)
			}
			if got := h.List("shop"); len(got) != 2 || got[1].Author != "hanako" || got[1].Reason != "a test" {
				t.Errorf("%s: %+v", node, got)
			}
		}

		_, _, err := b.Set(t.Context(), NamedPlace{Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, false)
		if noren.CodeOf(err) != noren.Conflict || noren.HintOf(err) == "" {
			t.Errorf("a place that is there: %v", err)
		}
		moved, was, err := b.Set(t.Context(), NamedPlace{Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, true)
		if err != nil || was == "" || b.has("本社", "198.51.100.3") || !b.has("本社", "192.0.2.1") {
			t.Errorf("replaced: %v, %v", b.List("shop"), err)
		}
		if err := b.TakeBack(t.Context(), moved.ID, was, "noren", "not confirmed"); err != nil || !b.has("本社", "198.51.100.3") || b.has("本社", "192.0.2.1") {
			t.Errorf("taken back: %v, %v", b.List("shop"), err)
		}
		if err := b.TakeBack(t.Context(), moved.ID, was, "noren", "again"); noren.CodeOf(err) != noren.Conflict {
			t.Errorf("taken back twice: %v", err)
		}

		now = now.Add(time.Hour)
		if a.has("制作会社", "203.0.113.7") {
			t.Error("a place lets people in whose time is over")
		}
		for _, h := range []hall{a, b, a} {
			if err := h.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if p := a.Find("shop", "制作会社"); p == nil || p.Live(now) {
			t.Errorf("a place that is over is not shown: %+v", p)
		}
		a.set(t, "制作会社", "203.0.113.8/32", 0) // one that is over makes room

		if err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone, err := a.Remove(t.Context(), "shop", "本社", "taro", "moved")
		if err != nil || a.has("本社", "198.51.100.3") {
			t.Errorf("removed: %v", err)
		}
		if err := a.TakeBack(t.Context(), "", gone.ID, "noren", "not confirmed"); err != nil || !a.has("本社", "198.51.100.3") {
			t.Errorf("the removal taken back: %v, %v", a.List("shop"), err)
		}
		if _, err := a.Remove(t.Context(), "shop", "別荘", "taro", ""); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("no such place: %v", err)
		}
		want := "[set set set remove restore expire set remove restore]"
		var ops []string
		for _, ev := range loop.of(noren.PlaceChange) {
			ops = append(ops, ev.Payload.(*noren.PlaceEntry).Op)
		}
		if got := fmt.Sprint(ops); got != want {
			t.Errorf("recorded %s, want %s", got, want)
		}
		now = now.Add(keepEnded + time.Hour)
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM gateway_places`).Scan(&rows); err != nil || rows != 2 {
			t.Errorf("%d rows kept, want the two that hold; %v", rows, err)
		}
	})
}

func TestPlaceFaults(t *testing.T) {
	now := noon
	h := openHall(t, dbtest.Open(t, db.SQLite), newSealer(t), &now, &loopback{})
	ok := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}
	for name, p := range map[string]NamedPlace{
		"no site": {Name: "本社", Networks: ok}, "no name": {Site: "shop", Networks: ok}, "no network": {Site: "shop", Name: "本社"},
		"half the world": {Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1")}},
		"over already":   {Site: "shop", Name: "本社", Networks: ok, Until: noren.At(noon)},
		"many networks":  {Site: "shop", Name: "本社", Networks: make([]netip.Prefix, maxPlaceNetworks+1)},
		"no prefix":      {Site: "shop", Name: "本社", Networks: make([]netip.Prefix, 1)},
	} {
		if _, _, err := h.Set(t.Context(), p, false); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, o := range map[string]Opening{
		"too long": {Site: "shop", Zones: StaffZones(), Reason: "x", Until: noren.At(noon.Add(MaxOpening + time.Second))},
		"no end":   {Site: "shop", Zones: StaffZones(), Reason: "x"}, "no reason": {Site: "shop", Zones: StaffZones(), Until: noren.At(noon.Add(time.Hour))},
		"no zone": {Site: "shop", Reason: "x", Until: noren.At(noon.Add(time.Hour))}, "no such zone": {Site: "shop", Zones: []noren.Zone{"kitchen"}, Reason: "x", Until: noren.At(noon.Add(time.Hour))},
		"half the world": {Site: "shop", Zones: StaffZones(), Reason: "x", Until: noren.At(noon.Add(time.Hour)), From: netip.MustParsePrefix("0.0.0.0/1")},
	} {
		if _, err := h.Open(t.Context(), o); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("opening, %s: %v", name, err)
		}
	}
	lonely, err := OpenPlaces(t.Context(), PlacesOptions{DB: dbtest.Open(t, db.SQLite), Sealer: newSealer(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := lonely.Set(t.Context(), NamedPlace{Site: "shop", Name: "本社", Networks: ok}, false); noren.CodeOf(err) != noren.Unavailable || len(lonely.List("shop")) != 0 {
		t.Errorf("a change that nobody records: %v", err)
	}
}

// Two nodes that make the same place at once: one makes it, one is told.
func TestPlacesMadeAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now, sealer, loop := noon, newSealer(t), &loopback{}
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			h := openHall(t, d, sealer, &now, loop)
			wg.Go(func() {
				_, _, errs[i] = h.Set(t.Context(), NamedPlace{Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}}, false)
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			switch {
			case err == nil:
				made++
			case noren.CodeOf(err) != noren.Conflict:
				t.Error(err)
			}
		}
		if made != 1 {
			t.Errorf("made %d times: %v", made, errs)
		}
	})
}

func TestOpeningsOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now, sealer, loop, heard := noon, newSealer(t), &loopback{}, &alarms{}
		a, b := openHall(t, d, sealer, &now, loop), openHall(t, d, sealer, &now, loop)
		b.o.Log, b.serving = slog.New(heard), true
		_, err := a.Open(t.Context(), Opening{Site: "shop", Zones: []noren.Zone{noren.ZoneAdmin}, From: netip.MustParsePrefix("203.0.113.7/32"),
			Reason: "出張", Author: "hanako", Until: noren.At(now.Add(time.Hour))})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := b.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if heard.count("opened by hand") != 1 {
			t.Errorf("%d alarms on the other node, want one", heard.count("opened by hand"))
		}
		open := func(h hall, z noren.Zone, addr string) bool {
			return h.opened("shop", z, netip.MustParseAddr(addr), now) != nil
		}
		for _, h := range []hall{a, b, openHall(t, d, sealer, &now, loop)} {
			if !open(h, noren.ZoneAdmin, "203.0.113.7") || open(h, noren.ZoneAdmin, "203.0.113.8") || open(h, noren.ZoneExport, "203.0.113.7") {
				t.Errorf("%+v", h.Openings("shop"))
			}
		}
		now = now.Add(time.Hour)
		if open(a, noren.ZoneAdmin, "203.0.113.7") || len(b.Openings("shop")) != 0 {
			t.Error("open although the time is over")
		}
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Open(t.Context(), Opening{Site: "shop", Zones: StaffZones(), Reason: "出張", Author: "hanako", Until: noren.At(now.Add(time.Hour))}); err != nil {
			t.Fatal(err)
		}
		if ended, err := a.EndOpenings(t.Context(), "shop", "hanako", ""); err != nil || len(ended) != 1 || open(a, noren.ZoneAdmin, "203.0.113.7") {
			t.Errorf("ended %v, %v", ended, err)
		}
		var ops []string
		for _, ev := range loop.of(noren.AccessOpened) {
			p := ev.Payload.(*noren.AccessOpening)
			ops = append(ops, p.Op+" "+p.From)
		}
		if got := fmt.Sprint(ops); got != "[open 203.0.113.7 expire 203.0.113.7 open anywhere end anywhere]" {
			t.Errorf("recorded %s", got)
		}
	})
}

// What another node changes holds here within a second; while the database is
// away the last places hold, and one alarm says so.
func TestPlacesFollowOtherNodes(t *testing.T) { synctest.Test(t, testPlacesFollowOtherNodes) }

func testPlacesFollowOtherNodes(t *testing.T) {
	d, sealer, heard := dbtest.Open(t, db.SQLite), newSealer(t), &alarms{}
	open := func() *Places {
		p, err := OpenPlaces(t.Context(), PlacesOptions{DB: d, Sealer: sealer, Log: slog.New(heard)})
		if err != nil {
			t.Fatal(err)
		}
		p.RaiseTo(&loopback{})
		return p
	}
	a, b := open(), open()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	if _, _, err := a.Set(t.Context(), NamedPlace{Site: "shop", Name: "本社", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}}, false); err != nil {
		t.Fatal(err)
	}
	in := func() bool { return b.In("shop", "本社", netip.MustParseAddr("198.51.100.3"), time.Now()) }
	time.Sleep(time.Second)
	if !in() {
		t.Error("not in force on the other node after a second")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * DefaultPoll)
	stop()
	<-done
	if n := heard.count("cannot be read"); n != 1 || !in() {
		t.Errorf("with the database away: %d alarms, want one; in force %v", n, in())
	}
}

// Names, addresses, reasons and authors rest sealed; an erased person's address
// goes, and a new month's key takes over what holds.
func TestPlacesArePersonal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now, sealer := noon, newSealer(t)
		h := openHall(t, d, sealer, &now, &loopback{})
		h.set(t, "自宅", "203.0.113.7/32", 0)
		h.set(t, "本社", "198.51.100.0/28", 0)
		if _, err := h.Open(t.Context(), Opening{Site: "shop", Zones: StaffZones(), From: netip.MustParsePrefix("203.0.113.7/32"), Reason: "r", Author: "hanako", Until: noren.At(now.Add(time.Hour))}); err != nil {
			t.Fatal(err)
		}
		var sealed, token []byte
		if err := d.Read().QueryRowContext(t.Context(), `SELECT sealed, token FROM gateway_places ORDER BY id LIMIT 1`).Scan(&sealed, &token); err != nil {
			t.Fatal(err)
		}
		for _, plain := range []string{"203.0.113.7", "hanako", "自宅"} {
			if bytes.Contains(sealed, []byte(plain)) || bytes.Contains(token, []byte(plain)) {
				t.Errorf("%s rests in the clear", plain)
			}
		}
		if err := h.Reseal(t.Context(), now.Add(200*24*time.Hour), now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var young int
		if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM gateway_places WHERE sealed_at > $1`, now.Add(time.Hour).UnixMicro()).Scan(&young); err != nil || young != 2 {
			t.Errorf("%d places sealed anew, want 2; %v", young, err)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return h.Erase(t.Context(), tx, "shop", noren.Subject{Kind: noren.EntityAddress, ID: "203.0.113.7"})
		})
		if err != nil {
			t.Fatal(err)
		}
		again := openHall(t, d, sealer, &now, &loopback{})
		if again.has("自宅", "203.0.113.7") || len(again.Openings("shop")) != 0 || !again.has("本社", "198.51.100.3") {
			t.Errorf("after the erasure: %+v %+v", again.List("shop"), again.Openings("shop"))
		}
	})
}

// A place that cannot be opened lets nobody in, stops no other, and is not tried
// with every poll.
func TestPlaceThatCannotBeOpened(t *testing.T) {
	now, d, heard := noon, dbtest.Open(t, db.SQLite), &alarms{}
	openHall(t, d, newSealer(t), &now, &loopback{}).set(t, "本社", "198.51.100.0/28", 0)
	h := openHall(t, d, newSealer(t), &now, &loopback{}) // another key
	h.o.Log = slog.New(heard)
	for range 20 {
		now = now.Add(DefaultPoll)
		if err := h.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if h.has("本社", "198.51.100.3") || heard.count("cannot be opened") > 1 {
		t.Errorf("let in %v, %d alarms", h.has("本社", "198.51.100.3"), heard.count("cannot be opened"))
	}
}
