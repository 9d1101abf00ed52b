package gateway

import (
	"context"
	"net/http"
	"time"

	"noren"
)

// reportAnswered takes the answer to a request through the loop that gave itself
// away, or that exports personal data, before anything of it leaves: a web shell
// that answers and a table of customers are what an intrusion is for.
func (x *exchange) reportAnswered(res *http.Response) error {
	if x.g.opts.Decider == nil || !x.telling() {
		return nil
	}
	p := *x.requestPayload()
	p.Answered = res.StatusCode
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), time.Second)
	defer cancel()
	at := noren.At(x.g.opts.Now())
	d, err := x.g.opts.Decider.Decide(ctx, noren.Event{
		ID: noren.NewID(at.Time), Kind: noren.HTTPAnswered, At: at, Site: x.shop.Name, Zone: x.place.Zone, Entities: x.entities(), Payload: &p,
	})
	if err != nil {
		x.g.alarm("answer not recorded", x.shop.Name, "zone", x.place.Zone, "err", err)
		return nil
	}
	if d.Verdict != noren.Block {
		return nil
	}
	return &withheld{&stop{cause: noren.CausePolicy, rule: firedPolicy(d, noren.Block), status: http.StatusForbidden}}
}

// telling reports whether what the shop answers is worth an event: few requests
// are.
func (x *exchange) telling() bool {
	return x.requestPayload().Probe != noren.ProbeNone || x.place.Zone == noren.ZoneExport
}

// withheld is an answer of the shop that is not passed on.
type withheld struct{ stop *stop }

func (w *withheld) Error() string { return "the answer is withheld by " + w.stop.rule }
