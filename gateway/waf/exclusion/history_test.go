package exclusion

import (
	"fmt"
	"testing"

	"noren"
)

func entry(kind noren.Kind, who noren.Entities, p noren.Payload, zone noren.Zone) *noren.Entry {
	return &noren.Entry{Event: noren.Event{ID: noren.NewID(day), At: noren.At(day), Kind: kind, Zone: zone, Entities: who, Payload: p}, Count: 1}
}

func hitBy(session, path string, hits ...noren.Hit) *noren.Entry {
	return entry(noren.HTTPBlocked, noren.Entities{noren.EntitySession: session}, &noren.Blocked{Cause: noren.CauseWAF, Request: noren.Request{Path: path, Score: 5, Hits: hits}}, noren.ZoneCheckout)
}

func TestHistory(t *testing.T) {
	strict := noren.Hit{Rule: 501, Field: "ARGS:note", Score: 5}
	sql := noren.Hit{Rule: 942100, Field: "ARGS:note", Score: 5}
	x := Exclusion{Path: "/shopping/confirm", Zone: noren.ZoneCheckout, Targets: []Target{{501, "ARGS:note"}}}
	entries := []*noren.Entry{
		hitBy("buyer", "/shopping/confirm", strict), hitBy("buyer", "/shopping/confirm", strict),
		hitBy("signed-in", "/shopping/confirm", strict),
		hitBy("attacker", "/shopping/confirm", strict, sql),
		hitBy("elsewhere", "/contact", strict),
		entry(noren.HTTPRequest, noren.Entities{noren.EntityAddress: "192.0.2.9"}, &noren.Request{Path: "/shopping/confirm", Score: 5, Hits: []noren.Hit{strict}}, noren.ZoneCheckout), // shadow
		entry(noren.HTTPRequest, noren.Entities{noren.EntityAddress: "192.0.2.8"}, &noren.Request{Path: "/shopping/confirm", Score: 3, Hits: []noren.Hit{strict}}, noren.ZoneCheckout), // below
		entry(noren.OrderPlaced, noren.Entities{noren.EntitySession: "buyer"}, &noren.Order{Number: "1", Total: noren.Yen(12000)}, ""),
		entry(noren.LoginOutcome, noren.Entities{noren.EntitySession: "signed-in"}, &noren.LoginResult{Success: true}, ""),
		entry(noren.LoginOutcome, noren.Entities{noren.EntitySession: "attacker"}, &noren.LoginResult{}, ""),
		{Event: noren.Event{Kind: noren.HTTPBlocked}, Part: noren.PartCounted, Count: 7},
	}
	for _, backwards := range []bool{false, true} {
		h := NewHistory(5, &x)
		for i := range entries {
			if backwards {
				i = len(entries) - 1 - i
			}
			h.Add(entries[i])
		}
		got := fmt.Sprint(h.Stopped, h.Counted, h.Sales)
		c := h.Of(Cell{Target{501, "ARGS:note"}, "/shopping/confirm", noren.ZoneCheckout})
		got += fmt.Sprint("; cell ", c.Times, c.Visitors, c.Buyers, c.Orders, c.Yen)
		o := h.Opened()
		got += fmt.Sprint("; opened ", o.Times, o.Visitors, o.Buyers, " examples ", len(h.Examples))
		for _, r := range h.Rules() {
			got += fmt.Sprint("; ", r.Rule, " ", r.Times, r.Buyers, r.Others())
		}
		want := "6 7 1; cell 5 4 2 1 12000; opened 4 3 2 examples 4; 501 6 2 3; 942100 1 0 1"
		if got != want {
			t.Errorf("backwards %v:\n%s\n%s", backwards, got, want)
		}
		if cells := h.Cells(); len(cells) != 3 || cells[0].Rule != 501 || cells[0].Path != "/shopping/confirm" {
			t.Errorf("%+v", cells)
		}
	}
	h := NewHistory(5, nil)
	for i := range cellsMost + 5 {
		h.Add(hitBy(fmt.Sprint(i), fmt.Sprintf("/p%dx", i), strict))
	}
	if !h.Full || len(h.cells) != cellsMost || h.Rules()[0].Times != int64(cellsMost+5) {
		t.Error("not bounded")
	}
}
