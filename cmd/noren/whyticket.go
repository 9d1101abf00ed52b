package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
)

// stopped is what is known of a request whose page had a reference number.
type stopped struct {
	Ticket  string        `json:"ticket"`
	Source  string        `json:"source"` // journal or access_log
	Site    string        `json:"site,omitempty"`
	At      noren.Time    `json:"at"`
	Zone    noren.Zone    `json:"zone,omitempty"`
	Address string        `json:"address,omitempty"`
	Subject string        `json:"subject,omitempty"` // the account or device, when known
	Method  string        `json:"method,omitempty"`
	Host    string        `json:"host,omitempty"`
	Path    string        `json:"path,omitempty"`
	Query   string        `json:"query,omitempty"`
	Status  int           `json:"status,omitempty"`
	Cause   string        `json:"cause"`
	Rule    string        `json:"rule,omitempty"`
	Hits    []noren.Hit   `json:"hits,omitempty"`
	Reasons []noren.Text  `json:"reasons,omitempty"` // of policies that fired
	Entry   string        `json:"entry,omitempty"`   // its id in the journal
	Next    []noren.Text  `json:"next"`
	Verdict noren.Verdict `json:"verdict,omitempty"`

	session string // its keyed hash, when the record has it
}

// ticket tells what became of the request whose page had this number.
func (c whyCmd) ticket(e *env, ticket string) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		sites, err := in.cfg.sitesOf(c.Site)
		if err != nil {
			return err
		}
		s, err := in.stoppedWith(ctx, e, sites, ticket)
		if err != nil {
			return err
		}
		s.Next = in.nextSteps(s, time.Now())
		if c.JSON {
			return printJSON(e.io.out, s)
		}
		printStopped(e.io.out, s, e.lang)
		return nil
	})
}

// stoppedWith looks into the record, which knows the most, then into the access
// log of this machine.
func (in *instance) stoppedWith(ctx context.Context, e *env, sites []string, ticket string) (*stopped, error) {
	for _, site := range sites {
		f := journal.Filter{Log: site, Site: site, Field: journal.FieldTicket, Value: ticket, Limit: 1, Desc: true}
		for s, err := range in.journal.Query(ctx, f) {
			if err != nil {
				return nil, err
			}
			return fromEntry(&s, ticket), nil
		}
	}
	l, since, err := gateway.FindTicket(ctx, in.cfg.Access.Dir, ticket)
	if err != nil {
		fmt.Fprintf(e.io.err, "note: %v\n", err)
	}
	if l == nil {
		return nil, in.unknownTicket(ticket, sites, since)
	}
	return fromLine(l), nil
}

func fromEntry(s *journal.Stored, ticket string) *stopped {
	ev := &s.Entry.Event
	out := &stopped{
		Ticket: ticket, Source: "journal", Site: ev.Site, At: ev.At, Zone: ev.Zone, Address: ev.Entities[noren.EntityAddress],
		session: ev.Entities[noren.EntitySession], Cause: s.Entry.Rule, Entry: ev.ID, Verdict: s.Entry.Decision.Verdict,
	}
	if who := ev.Subject(); who.Kind != noren.EntityAddress && who.Kind != "" {
		out.Subject = who.String()
	}
	if p, ok := ev.Payload.(*noren.Blocked); ok && p != nil {
		out.Method, out.Host, out.Path, out.Query, out.Status = p.Method, p.Host, p.Path, p.Query, p.Status
		out.Cause, out.Rule, out.Hits = string(p.Cause), p.Rule, p.Hits
	}
	for _, r := range s.Entry.Decision.Reasons {
		out.Reasons = append(out.Reasons, r.Text)
	}
	return out
}

func fromLine(l *gateway.Line) *stopped {
	return &stopped{
		Ticket: l.Ticket, Source: "access_log", Site: l.Site, At: l.At, Zone: l.Zone, Address: l.Address,
		Method: l.Method, Host: l.Host, Path: l.Path, Query: l.Query, Status: l.Status,
		Cause: l.Cause, Rule: l.Rule, Verdict: l.Verdict,
	}
}

// unknownTicket says where the number may still be found, and for how long.
func (in *instance) unknownTicket(ticket string, sites []string, since noren.Time) error {
	reach := "is empty"
	if !since.IsZero() {
		reach = "reaches back to " + untilText(since)
	}
	return noren.WithHint(noren.Errorf(noren.NotFound, "nothing is known of %s: neither the record of %s nor this machine's access log has it", ticket, strings.Join(sites, ", ")),
		strings.Join([]string{
			"ask the customer to read it once more: ten characters, never I, L, O or U",
			fmt.Sprintf("the record tells who it was for %d months (keep.months), the access log as long as it has room (access_log.total_mib); here it %s", in.cfg.Keep.Months, reach),
			"of many refusals of one visitor the first ten a minute are kept one by one, the others as a number: `noren journal show --limit 200` around the time they name",
			"with several machines, ask on the others: each has an access log of its own",
		}, "\n"))
}

func printStopped(w io.Writer, s *stopped, lang string) {
	field := func(ja, en, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s %s\n", say(lang, ja+":", fmt.Sprintf("%-8s", en)), text)
		}
	}
	fmt.Fprintln(w, strings.Join(nonEmpty(s.Ticket, shown(s.At.Time, toSecond), s.Site), "  "))
	who := s.Address
	if s.Subject != "" {
		who += inBrackets(shorten(s.Subject, 120))
	}
	if who == "" {
		who = say(lang, "（消去済み）", "(erased)")
	}
	field("来訪者", "visitor", who)
	field("求めたもの", "asked", asked(s, lang))
	field("原因", "cause", s.Cause+": "+causeText(s.Cause).In(lang))
	field("規則", "rule", shorten(s.Rule, 128))
	for _, h := range s.Hits {
		field("検出", "found", hitText(h, lang))
	}
	for _, r := range s.Reasons {
		field("理由", "reason", shorten(r.In(lang), 200))
	}
	if s.Entry != "" {
		field("記録", "record", "noren journal show --json --id "+s.Entry)
	}
	for _, t := range s.Next {
		field("次に", "next", t.In(lang))
	}
}

func asked(s *stopped, lang string) string {
	if s.Method == "" {
		return ""
	}
	target := s.Path
	if s.Query != "" {
		target += "?" + s.Query
	}
	text := shorten(s.Method+" "+s.Host+target, 300)
	if s.Zone != "" {
		text += say(lang, "、ゾーン ", ", zone ") + string(s.Zone)
	}
	if s.Status != 0 {
		text += fmt.Sprintf(say(lang, "、答え %d", ", answered %d"), s.Status)
	}
	return text
}

func hitText(h noren.Hit, lang string) string {
	text := fmt.Sprintf(say(lang, "ルール %d", "rule %d"), h.Rule)
	if h.Field != "" {
		text += say(lang, "、項目 ", " in ") + shorten(h.Field, 80)
	}
	if h.Msg != "" {
		text += ": " + shorten(h.Msg, 160)
	}
	if h.Value != "" {
		text += "  «" + shorten(h.Value, 120) + "»"
	}
	return text
}

// causeText says in a sentence what stopped the request.
func causeText(cause string) noren.Text {
	switch noren.Cause(cause) {
	case noren.CauseBan:
		return noren.Text{Ja: "遮断中のアドレス（またはセッション）でした", En: "the address or session was banned"}
	case noren.CauseLimit:
		return noren.Text{Ja: "短いあいだに回数の上限を超えました", En: "too many requests in a short time"}
	case noren.CauseForbidden:
		return noren.Text{Ja: "誰にも見せないファイルや場所でした", En: "a file or place that is never served"}
	case noren.CauseWAF:
		return noren.Text{Ja: "送られた内容が攻撃に似ていました", En: "what was sent looks like an attack"}
	case noren.CausePolicy:
		return noren.Text{Ja: "方針が止めました", En: "a policy stopped it"}
	case noren.CauseMalformed:
		return noren.Text{Ja: "読み取れない、または大きすぎる通信でした", En: "it could not be read, or was too large"}
	case noren.CauseOverload:
		return noren.Text{Ja: "Noren が調べきれないときに、安全のため止めました", En: "Noren could not inspect or record it in time, and refused to be safe"}
	case noren.CauseChallenge:
		return noren.Text{Ja: "人がブラウザーで見ているかの確認を求めました", En: "asked for the check that a person with a browser passes"}
	case noren.CauseQueue:
		return noren.Text{Ja: "混雑のため順番待ちの列に並んでいました", En: "waited in the line of the busy mode"}
	case noren.CauseClosed:
		return noren.Text{Ja: "お店が休止中のページでした", En: "the shop was switched to its standby page"}
	case noren.CauseEmergency:
		return noren.Text{Ja: "非常時の停止スイッチが入っていました", En: "an emergency switch was on"}
	case noren.CauseAccess:
		return noren.Text{Ja: "この場所に入れる人の中に、このアドレスがありませんでした", En: "the address is not among those who may enter there"}
	}
	switch cause {
	case "upstream":
		return noren.Text{Ja: "Noren は通しましたが、お店が応答しませんでした", En: "Noren let it through, and the shop did not answer"}
	case "":
		return noren.Text{Ja: "原因は記録されていません", En: "no cause is on record"}
	}
	return noren.Text{Ja: "入口で止めました", En: "stopped at the gateway"}
}

// nextSteps are what the operator may type now.
func (in *instance) nextSteps(s *stopped, now time.Time) (next []noren.Text) {
	at := ""
	if len(in.cfg.Sites) > 1 && s.Site != "" {
		at = " --site " + s.Site
	}
	step := func(ja, en string, args ...any) {
		next = append(next, noren.Text{Ja: fmt.Sprintf(ja, args...), En: fmt.Sprintf(en, args...)})
	}
	who, err := netip.ParseAddr(s.Address)
	known := err == nil
	switch ban, what := in.banOf(s, who, now); {
	case ban:
		step("%[1]s は今も遮断中です。解除: noren ban --lift %[2]s%[3]s", "%[1]s is banned now; to lift it: noren ban --lift %[2]s%[3]s", what, quotedIfNeeded(what), at)
	case noren.Cause(s.Cause) == noren.CauseBan && known:
		step("%s の遮断は終わっています", "the ban of %s is over", s.Address)
	}
	in.stepsFor(s, at, step)
	if known && mayBeAllowed(s.Cause) {
		step("この接続元をこれからも通す: noren allow %s --for 7d --reason '理由'%s", "to let this address through from now on: noren allow %s --for 7d --reason 'why'%s", s.Address, at)
	}
	if known && s.Path != "" && s.Site != "" {
		step("いま同じことをするとどうなるか: noren why %s '%s'%s", "what would happen now: noren why %s '%s'%s", s.Address, typed(s.Path), at)
	}
	return next
}

// banOf is the ban that stops the visitor now: of the session, or of the address
// when no allow-list entry outranks it.
func (in *instance) banOf(s *stopped, who netip.Addr, now time.Time) (banned bool, what string) {
	if s.session != "" {
		if b := in.lists.CheckSession(s.Site, s.session, now); b != nil {
			return true, b.What()
		}
	}
	if !who.IsValid() {
		return false, ""
	}
	allow, bans := in.lists.Around(s.Site, who, now)
	if len(allow) > 0 || len(bans) == 0 {
		return false, ""
	}
	return true, who.String()
}

// quotedIfNeeded is a name as it is typed after a command.
func quotedIfNeeded(name string) string {
	if strings.Contains(name, " ") {
		return "'" + name + "'"
	}
	return name
}

// typed is a visitor's path for a line that is copied: it must not end the quotes
// around it.
func typed(path string) string {
	return strings.NewReplacer("'", "%27", `"`, "%22", `\`, "%5C").Replace(shorten(path, 200))
}

// mayBeAllowed reports whether the allow-list spares such a stop.
func mayBeAllowed(cause string) bool {
	switch noren.Cause(cause) {
	case noren.CauseBan, noren.CauseLimit, noren.CauseChallenge:
		return true
	}
	return false
}

// stepsFor are the steps that one cause asks for.
func (in *instance) stepsFor(s *stopped, at string, step func(ja, en string, args ...any)) {
	switch noren.Cause(s.Cause) {
	case noren.CauseLimit:
		step("上限 %[1]s を見直す: noren settings export DIR の limits.yaml（docs/operate/limits.md）", "to change the limit %[1]s: limits.yaml of noren settings export DIR (docs/operate/limits.md)", shorten(s.Rule, 64))
	case noren.CauseWAF:
		step("誤検知なら: docs/operate/daily.md「The firewall stopped a customer」。試すには noren waf check%[1]s FILE", "a false alarm? docs/operate/daily.md, \"The firewall stopped a customer\"; to try it: noren waf check%[1]s FILE", at)
	case noren.CausePolicy:
		step("方針 %[1]s を読む: noren settings export DIR の policies/。変更は noren replay で試せます（docs/operate/replay.md）", "read the policy %[1]s: policies/ of noren settings export DIR; try a change with noren replay (docs/operate/replay.md)", shorten(s.Rule, 64))
	case noren.CauseAccess:
		step("入ってよい人なら: noren place add 場所の名前 %[1]s%[2]s（docs/operate/access.md）", "may they enter? noren place add PLACE %[1]s%[2]s (docs/operate/access.md)", s.Address, at)
	case noren.CauseForbidden:
		step("お店に必要なファイルなら、noren.yaml のこのお店に zones: {must_be_403: [\"!%[1]s\"]}", "does the shop need this file? in noren.yaml, at the site: zones: {must_be_403: [\"!%[1]s\"]}", typed(s.Path))
	case noren.CauseMalformed:
		if s.Rule == "unknown_host" {
			step("%s は、どのお店のホスト名でもありません。お店のものなら noren.yaml の hosts に足します", "%s is the host name of no site; if it is the shop's, add it to hosts in noren.yaml", shorten(s.Host, 120))
			return
		}
		step("docs/operate/protocol.md の「%[1]s」。大きすぎるなら、このお店の body_limit か inspect_limit", "docs/operate/protocol.md says what %[1]s means; too large: body_limit or inspect_limit of the site", shorten(s.Rule, 64))
	case noren.CauseChallenge:
		step("何もしなくてかまいません。ほとんどの人は、気づかないうちに通っています", "nothing need be done: most people pass it unseen")
	case noren.CauseEmergency:
		step("いま止めているもの: noren emergency%[1]s。終えるには noren emergency %[2]s --off%[1]s", "what is stopped now: noren emergency%[1]s; to end it: noren emergency %[2]s --off%[1]s", at, shorten(s.Rule, 32))
	case noren.CauseQueue, noren.CauseClosed:
		step("いまのモード: noren mode%[1]s", "the mode in force: noren mode%[1]s", at)
	case noren.CauseOverload:
		step("docs/operate/failures.md。まず noren check", "docs/operate/failures.md; first: noren check")
	default:
		if s.Cause == "upstream" {
			step("お店のサーバーを見る: noren check", "look at the shop's server: noren check")
		}
	}
}
