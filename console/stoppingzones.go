package console

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"noren"
	"noren/console/ui"
	"noren/gateway"
)

// stoppingZone is a zone in which the firewall only records, with what it would have
// stopped.
type stoppingZone struct {
	counts
	Zone  noren.Zone
	Name  noren.Text
	Badge ui.Badge
	Pick  bool // nobody who bought is among them
}

// firewallZones are the zones of a site that has the firewall in shadow, those that
// would have stopped most first.
func firewallZones(s *gateway.Site, n *counting, counting bool) (out []stoppingZone) {
	for _, z := range noren.Zones() {
		found := n.counts(wouldFirewall + string(z.Zone))
		if s.WAFIn(z.Zone) != gateway.WAFShadow || found.Shadow == 0 {
			continue
		}
		row := stoppingZone{counts: found, Zone: z.Zone, Name: z.Meaning}
		row.Badge, row.Pick = advise(found, counting)
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b stoppingZone) int { return cmp.Compare(b.Shadow, a.Shadow) })
	return out
}

// zoneLines are for noren.yaml: the firewall stops in the zones that may be trusted,
// and in those that stop already. It is pure.
func zoneLines(s *gateway.Site, zones []stoppingZone) []copyable {
	on := map[noren.Zone]gateway.WAFMode{}
	maps.Copy(on, s.WAFZones)
	more := false
	for _, z := range zones {
		if z.Pick {
			on[z.Zone], more = gateway.WAFOn, true
		}
	}
	if !more {
		return nil
	}
	var parts []string
	for _, z := range slices.Sorted(maps.Keys(on)) {
		parts = append(parts, string(z)+": "+string(on[z]))
	}
	return []copyable{{noren.Text{Ja: "お客様の入っていない場所（ゾーン）だけ、先に「止める」にするには、noren.yaml のこのお店を次のように変えます。", En: "To stop first in the zones without customers among them, change this site in noren.yaml:"},
		"sites:\n  - name: " + s.Name + "\n    # …\n    waf_zones: {" + strings.Join(parts, ", ") + "}\n"}}
}
