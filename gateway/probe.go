package gateway

import (
	"context"
	"maps"
	"slices"
	"time"

	"noren"
)

const (
	// reportProbe bounds how long the events of one probe may take; its sender
	// waits for it and for nothing else.
	reportProbe = 2 * time.Second
	// maxProbeReports bounds how many are on their way at once.
	maxProbeReports = 16
)

// probed tells the loop what a client did at the TLS layer: at the site it asked
// for, or at all sites when it named none of ours, because the door it tried is
// theirs together. A proxy of ours speaks for its visitors, so its address
// stands for nobody and is not told.
func (g *Gateway) probed(v *visit, probe string) {
	st := g.state.Load()
	name, ja4 := "", ""
	if l := v.learnt.Load(); l != nil {
		name, ja4 = l.name, l.ja4
	}
	if st.spares(nil, v.addr, time.Time{}) {
		g.alarm("a proxy of yours passes on probes of TLS", "", "probe", probe, "proxy", v.addr)
		return
	}
	g.callers.probe(v.addr, time.Now())
	select {
	case g.probes <- struct{}{}:
		defer func() { <-g.probes }()
	default:
		g.alarm("so many probes of TLS at once that not all are recorded", "", "probe", probe)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reportProbe)
	defer cancel()
	for _, site := range st.sitesOf(name) {
		g.reportProbe(ctx, site, v, probe, ja4)
	}
}

// sitesOf are the sites that a name in a hello means.
func (st *state) sitesOf(name string) []string {
	if name != "" {
		if sh := st.find(name); sh != nil {
			return []string{sh.Name}
		}
	}
	return slices.Sorted(maps.Keys(st.shops))
}

func (g *Gateway) reportProbe(ctx context.Context, site string, v *visit, probe, ja4 string) {
	if g.opts.Decider == nil || ctx.Err() != nil {
		return
	}
	at := noren.At(g.opts.Now())
	es := noren.Entities{noren.EntityAddress: v.addr.String()}
	if ja4 != "" {
		es[noren.EntityJA4] = ja4
	}
	ev := noren.Event{ID: noren.NewID(at.Time), Kind: noren.TLSProbe, At: at, Site: site, Entities: es, Payload: &noren.TLSProbing{Probe: probe}}
	if _, err := g.opts.Decider.Decide(ctx, ev); err != nil {
		g.alarm("a probe of TLS is not recorded", site, "probe", probe, "err", err)
	}
}
