package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/gateway"
)

// TestListsOutliveTheirKeys: the keys of every month are destroyed after the
// term, and a ban without an end is still there three years later.
func TestListsOutliveTheirKeys(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			url = ""
		}
		in := open(t, instanceWants{cfg: configFor(t.TempDir(), url, siteFor("tea", "tea.test", startShop(t, "tea")))})
		for list, prefix := range map[string]string{gateway.ListBan: "203.0.113.3/32", gateway.ListAllow: "198.51.100.0/24"} {
			_, err := in.lists.Set(t.Context(), gateway.Entry{Site: "tea", List: list, Prefix: netip.MustParsePrefix(prefix), Author: "test", Reason: noren.Text{En: "for good"}})
			if err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now()
		for range 36 {
			now = now.AddDate(0, 1, 0)
			in.retain(t.Context(), now)
		}
		again, err := gateway.OpenLists(t.Context(), gateway.ListsOptions{DB: in.db, Sealer: in.vault})
		if err != nil {
			t.Fatal(err)
		}
		left := again.List("tea")
		if len(left) != 2 || left[0].Reason.En != "for good" {
			t.Errorf("three years later: %+v", left)
		}
	})
}
