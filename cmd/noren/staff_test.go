package main

import (
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
	"noren/staff"
)

// A link is made and a sign-in fails, through the real loop: both stand in the
// log of the instance itself.
func TestPeopleAreRecordedInTheInstanceLog(t *testing.T) {
	in, ctx := open(t, instanceWants{cfg: configFor(t.TempDir(), dbtest.URL(t, db.SQLite), siteFor("shop", "shop.test", startShop(t, "shop")))}), t.Context()
	l, err := in.staff.OwnerLink(ctx, staff.AtMachine("root"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.staff.Link(ctx, l.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := in.staff.SignIn(ctx, staff.Attempt{Mail: "nobody@example.jp", Password: "not this one"}); noren.CodeOf(err) != noren.Denied {
		t.Fatal(err)
	}
	kinds := map[noren.Kind]int{}
	for s, err := range in.journal.Query(ctx, journal.Filter{Log: journal.InstanceLog, Limit: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[s.Entry.Event.Kind]++
	}
	if kinds[noren.StaffAction] != 1 || kinds[noren.StaffLogin] != 1 {
		t.Fatalf("recorded %v", kinds)
	}
}
