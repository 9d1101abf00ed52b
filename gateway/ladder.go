package gateway

import (
	"slices"
	"strings"
	"time"

	"noren"
	"noren/kv"
)

// Then is one answer of a limit that is used up.
type Then string

// Answers of a limit, from the mildest.
const (
	// ThenSlow holds the request back for as long as the bucket needs, a few
	// seconds at most, and lets it pass.
	ThenSlow Then = "slow"
	// ThenLine shows the page of the line, which looks again by itself.
	ThenLine Then = "line"
	// ThenCheck asks a visitor without a session for the check first. Whoever has
	// passed it has a bucket of their own from then on, and waits when that is
	// used up.
	ThenCheck Then = "check"
	// ThenWait asks to come back later: 429 with Retry-After.
	ThenWait Then = "wait"
	// ThenBlock refuses: 403.
	ThenBlock Then = "block"
	// ThenBan refuses, and tells the policies so: a ban is theirs to decide and
	// is recorded first.
	ThenBan Then = "ban"
)

var thens = []Then{ThenSlow, ThenLine, ThenCheck, ThenWait, ThenBlock, ThenBan}

// Steps are the answers of a limit, mildest first. The first is given to whoever
// is up to one full bucket over the limit, the next up to one more, the last
// beyond.
type Steps []Then

// OneOrMany lets a file say then: check for then: [check].
func (Steps) OneOrMany() {}

func (s Steps) String() string {
	words := make([]string, len(s))
	for i, t := range s {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}

func (s Steps) has(t Then) bool { return slices.Contains(s, t) }

// maxSlow is the longest a request is held back. Whoever would have to be held
// longer gets the next answer.
const maxSlow = 5 * time.Second

// validSteps checks the answers against each other and against what is counted.
func (l *Limit) validSteps() (errs []error) {
	fault := func(ja, en string, args ...any) {
		errs = append(errs, noren.Say(noren.Invalid, noren.Textf(ja, en, args...)))
	}
	last := -1
	for _, t := range l.Then {
		i := slices.Index(thens, t)
		switch {
		case i < 0:
			fault("then に %q は使えません。使えるのは slow・line・check・wait・block・ban です", "then %q is not slow, line, check, wait, block or ban", t)
			continue
		case i <= last:
			fault("then の %s の順番が正しくありません。slow・line・check・wait・block・ban の順に、一度ずつ書いてください", "then %s comes after a stricter answer or itself; the order is slow, line, check, wait, block, ban", t)
		case t == ThenSlow && l.Rate.Events > 0 && l.rate().Interval() > maxSlow.Microseconds():
			fault("then の slow では %s の速さを守れません。どの通信も %s より長く待たせることになります", "then slow cannot keep a rate of %s: it would hold every request longer than %s", l.Rate, maxSlow)
		case (t == ThenBan || t == ThenBlock) && !l.By.one():
			fault("then の %s は、address・session・pass・device ごとの上限でだけ使えます。by: %s では大勢をまとめて数え、その多くは何もしていません", "then %s needs a limit by address, session, pass or device: by %s counts many visitors together, and most of them did nothing", t, l.By)
		}
		last = max(last, i)
	}
	return errs
}

// steps are the answers, at least one. What cannot be held back any longer
// waits.
func (l *Limit) steps() Steps {
	if n := len(l.Then); n == 0 || l.Then[n-1] == ThenSlow {
		return append(slices.Clone(l.Then), ThenWait)
	}
	return l.Then
}

func (l *Limit) rate() kv.Rate {
	return kv.Rate{Events: l.Rate.Events, Per: l.Rate.Per, Burst: l.Burst}
}

// deep is the bucket that is kept: as deep as the limit's own for each step, so
// that its level tells how far the limit is exceeded. A limit of one step is an
// ordinary bucket; what it refuses uses nothing up.
func (l *Limit) deep() kv.Rate {
	r := l.rate()
	r.Burst += (len(l.steps()) - 1) * int(r.Capacity())
	return r
}

// reading is what the level of a limit's bucket says about one request.
type reading struct {
	step int           // 0: within the limit; else which of the steps answers
	left int64         // requests that still fit within the limit
	wait time.Duration // until the limit would let a request pass again
}

// read tells how far the limit is exceeded. share is by how much limits are
// divided among nodes at this moment.
//
// Whoever sends less never gets a stricter answer than whoever sends the same
// and more has been given by then (TestLadderSparesTheSlower): the level is the
// sum of what was taken less what time gave back.
func (l *Limit) read(res kv.Result, share int64) reading {
	n := int64(len(l.steps()))
	rate := l.deep().Divide(share)
	own := max(1, rate.Capacity()/n) // the limit's own part of the bucket
	above := rate.Capacity() - own
	if !res.Allowed {
		return reading{step: int(n), wait: res.RetryAfter + micros64(above*rate.Interval())}
	}
	over := above - res.Remaining
	if over <= 0 {
		return reading{left: -over}
	}
	return reading{step: int(min(n, (over-1)/own+1)), wait: micros64(over * rate.Interval())}
}

func micros64(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
