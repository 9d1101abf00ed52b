package console

import (
	"strings"
	"testing"

	"noren"
	"noren/gateway"
)

// Only zones without customers are offered, beside those that stop already.
func TestZoneLines(t *testing.T) {
	site := &gateway.Site{Name: "tea", WAF: gateway.WAFShadow, WAFZones: map[noren.Zone]gateway.WAFMode{noren.ZoneLogin: gateway.WAFOn}}
	zones := []stoppingZone{{Zone: noren.ZoneSearch, Pick: true}, {Zone: noren.ZoneCheckout}}
	got := zoneLines(site, zones)
	if len(got) != 1 || !strings.Contains(got[0].Text, "waf_zones: {login: on, search: on}") {
		t.Errorf("%+v", got)
	}
	if got := zoneLines(site, zones[1:]); got != nil {
		t.Errorf("%+v", got)
	}
}
