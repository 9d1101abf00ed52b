package gateway

import (
	"context"
	"net/http"
	"time"

	"noren"
	"noren/kv"
)

// Rules of the stops that a mode makes.
const (
	ruleClosed = "closed"
	ruleAttack = "attack-mode"
	ruleQueue  = "queue"
	ruleFull   = "queue-full"
)

const (
	retryClosed = 10 * time.Minute
	// queueMost is the longest wait that is worth standing in line for.
	queueMost = time.Hour
	// turnFor is how long a visitor whose turn came may take to notice, and
	// insideFor how long who was let in stays in after the last page.
	turnFor   = 10 * time.Minute
	insideFor = 45 * time.Minute
	// insideMost ends a stay that is renewed by every page.
	insideMost = 6 * time.Hour
	// lookEvery is how often the page of a waiting visitor without scripts loads
	// again: often enough to notice a turn that comes early, seldom enough that who
	// has it read aloud hears it to the end. With scripts it looks without loading.
	lookEvery = time.Minute
)

// checkMode does what the site was switched to. Machines are never kept waiting,
// nor who pays or is on the allow-list, nor the shop's own people in the admin.
func (x *exchange) checkMode() *stop {
	mode := x.g.opts.Modes.Of(x.shop.Name, x.at.Time)
	if x.allow != nil || x.own() || x.spareZone() {
		return nil
	}
	if x.pass == "" && !x.asset() && x.g.callers.strange(x.client, time.Now()) {
		x.g.meters.of(x.shop.Name).strangers.Add(1)
	}
	if mode.Mode == ModeNormal {
		return nil
	}
	switch mode.Mode {
	case ModeClosed:
		return &stop{cause: noren.CauseClosed, rule: ruleClosed, status: http.StatusServiceUnavailable, retry: closedFor(mode, x.at.Time), until: mode.Until.Time}
	case ModeAttack:
		return x.underAttack()
	case ModeBusy:
		if !x.asset() && !x.searchEngine() {
			return x.queue(mode)
		}
	}
	return nil
}

// assetRate is how many parts of pages strangers at one place may load during an
// attack: the pictures of a newsletter, and no flood. Whoever has passed the
// check shows it with every part.
var assetRate = kv.Rate{Events: 120, Per: time.Minute, Burst: 60}

// underAttack asks strangers for the check.
func (x *exchange) underAttack() *stop {
	if x.asset() {
		if x.pass != "" || x.within("asset", clientNet(x.client).String(), assetRate) {
			return nil
		}
		return &stop{cause: noren.CauseLimit, rule: ruleAttack, status: http.StatusTooManyRequests, retry: retryOverload}
	}
	if x.searchEngine() || x.mayUse("pass", x.pass) || !x.canCheck() {
		return nil
	}
	x.pass = ""
	return x.checkFirst(noren.CauseChallenge, ruleAttack)
}

// spareZone reports whether the zone is spared by every mode.
func (x *exchange) spareZone() bool { return sparedByModes(x.place.Zone, x.path) }

func sparedByModes(z noren.Zone, path string) bool {
	info := mustInfo(z)
	return (info.Machine || info.Payment || staffZone(z)) && plainPath(path)
}

// useRate is how much one pass or place in the line serves: a keen buyer's pages,
// and no crowd that shares it.
var useRate = kv.Rate{Events: 240, Per: time.Minute, Burst: 240}

// mayUse counts the use of a pass or place by its name; "" is none.
func (x *exchange) mayUse(kind, name string) bool {
	return name != "" && x.within(kind, name, useRate)
}

func staffZone(z noren.Zone) bool {
	switch z {
	case noren.ZoneAdmin, noren.ZoneAdminLogin, noren.ZoneCodeEdit, noren.ZoneExport:
		return true
	}
	return false
}

// closedFor is what visitors are told to wait.
func closedFor(m SiteMode, now time.Time) time.Duration {
	if m.Until.IsZero() {
		return retryClosed
	}
	return max(m.Until.Sub(now), time.Second)
}

func (x *exchange) searchEngine() bool {
	return x.g.opts.SearchEngine != nil && x.g.opts.SearchEngine(x.client, x.r.UserAgent(), x.at.Time) != ""
}

// queue lets new visitors in at the mode's rate, in the order they came. A place
// in the line is a signed time: nothing is stored but one bucket per site, whose
// level says how long the line is. Who is inside, or pays, stays inside.
func (x *exchange) queue(mode SiteMode) *stop {
	keys := x.g.secrets(x.r.Context())
	if keys == nil || x.g.opts.KV == nil {
		return nil
	}
	c := clerk{keys}
	if t, ok := c.open(x.turn, turnToken, x.bearer(), x.at.Time); ok && x.mayUse("turn", t.name()) {
		return x.takeTurn(c, t)
	}
	if !x.mayStandInLine() {
		return x.crowd()
	}
	wait, ok := x.standInLine(mode)
	if !ok {
		return &stop{cause: noren.CauseQueue, rule: ruleFull, status: http.StatusServiceUnavailable, retry: queueMost / 4}
	}
	t := c.turn(x.at.Add(wait))
	s := x.takeTurn(c, t)
	if s != nil { // who is let in at once has the place inside already
		x.setTurn(c, t)
	}
	return s
}

// placeRate is how many places in the line one client gets: an office enough,
// and a script that throws its cookies away cannot fill the line.
var placeRate = kv.Rate{Events: 60, Per: 10 * time.Minute, Burst: 60}

func (x *exchange) mayStandInLine() bool {
	return x.within("place", clientNet(x.client).String(), placeRate) || x.pass != ""
}

// crowd asks one of very many from one place for the check.
func (x *exchange) crowd() *stop {
	if x.canCheck() {
		return x.checkFirst(noren.CauseChallenge, ruleQueue)
	}
	return &stop{cause: noren.CauseQueue, rule: ruleFull, status: http.StatusServiceUnavailable, retry: retryOverload}
}

// takeTurn lets a visitor in whose time has come, and shows the line to others.
func (x *exchange) takeTurn(c clerk, t *token) *stop {
	wait := t.from.Sub(x.at.Time)
	if wait <= 0 {
		stay := x.at.Add(insideFor)
		if t.level == inLine || t.until.Sub(x.at.Time) < insideFor/2 && stay.Sub(t.from) < insideMost { // just let in, or still here
			t.level, t.until = inside, stay
			x.setTurn(c, t)
		}
		return nil
	}
	return &stop{cause: noren.CauseQueue, rule: ruleQueue, status: http.StatusServiceUnavailable, retry: wait, line: true}
}

// standInLine takes the next place and returns how long it is until its turn. ok
// is false when the line is too long. When nobody can say, there is no line.
func (x *exchange) standInLine(mode SiteMode) (wait time.Duration, ok bool) {
	rate := kv.Rate{Events: mode.Admit, Per: time.Minute, Burst: int(int64(mode.Admit) * int64(queueMost/time.Minute))}
	ctx, cancel := context.WithTimeout(x.r.Context(), kvTimeout)
	defer cancel()
	res, err := x.g.opts.KV.Do(ctx, kv.Take{Key: "queue|" + x.shop.Name, At: x.at.Time, Rate: rate})
	if err != nil {
		return 0, true
	}
	if s, ok := x.g.opts.KV.(interface{ Share() int64 }); ok {
		rate = rate.Divide(s.Share()) // the bucket that was asked is a part of it
	}
	// A tenth of a minute's visitors come in at once, the others one by one.
	ahead := rate.Capacity() - res[0].Remaining - int64(max(1, mode.Admit/10))
	return time.Duration(max(0, ahead)*rate.Interval()) * time.Microsecond, res[0].Allowed
}

func (x *exchange) setTurn(c clerk, t *token) {
	http.SetCookie(x.w, &http.Cookie{
		Name: x.ourCookie(turnCookie), Value: c.sign(t, x.bearer()), Path: "/", MaxAge: int(t.until.Sub(x.at.Time) / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.scheme == "https",
	})
}
