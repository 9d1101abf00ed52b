package noren

import (
	"slices"
	"strings"
)

// FactType is the type of a fact's value.
type FactType string

// Types of facts with the Go type of their values.
const (
	Bool  FactType = "bool"  // bool
	Int   FactType = "int"   // int64
	Float FactType = "float" // float64
	Str   FactType = "text"  // string
	List  FactType = "list"  // []string
)

// Zero is the value of a fact that is not known. A missing signal is unknown,
// never suspicious: policies that want strangers must ask for a known value.
func (t FactType) Zero() any {
	switch t {
	case Bool:
		return false
	case Int:
		return int64(0)
	case Float:
		return 0.0
	case List:
		return []string(nil)
	}
	return ""
}

// Fact declares one thing a policy can ask about. The reference page and the
// console's help are generated from these.
type Fact struct {
	Name    string
	Type    FactType
	Unit    string // "", "count", "seconds", "days", "share", "minor units"
	Meaning Text
	Kinds   []Kind // nil: every kind
	// Read takes the fact from the event itself; nil when a source computes it.
	Read func(*Event) any
}

// Facts are the computed facts of one event by name. Facts that are read from
// the event are not among them.
type Facts map[string]any

// Family declares facts whose names follow a pattern, e.g. counters.
type Family struct {
	Pattern string // for people: <entity>.logins_failed_<window>
	Meaning Text
	Example string
	// Lookup returns the fact called name; ok is false when name is not of
	// the family, err says what is wrong with one that nearly is.
	Lookup func(name string) (f Fact, ok bool, err error)
}

// Catalogue is every fact there is.
type Catalogue struct {
	facts    map[string]Fact
	names    []string
	families []Family
}

// NewCatalogue joins declarations; a name declared twice panics, because that
// is a mistake in the program.
func NewCatalogue(facts []Fact, families []Family) *Catalogue {
	c := &Catalogue{facts: make(map[string]Fact, len(facts)), families: families}
	for _, f := range facts {
		if _, dup := c.facts[f.Name]; dup {
			panic("noren: fact " + f.Name + " is declared twice")
		}
		c.facts[f.Name] = f
		c.names = append(c.names, f.Name)
	}
	return c
}

// All lists the declared facts in order, and Families the patterns.
func (c *Catalogue) All() []Fact {
	out := make([]Fact, len(c.names))
	for i, n := range c.names {
		out[i] = c.facts[n]
	}
	return out
}

// Families lists the patterns of facts that are made on demand.
func (c *Catalogue) Families() []Family { return slices.Clone(c.families) }

// Lookup returns the fact called name, or an error that suggests the nearest.
func (c *Catalogue) Lookup(name string) (Fact, error) {
	if f, ok := c.facts[name]; ok {
		return f, nil
	}
	for _, fam := range c.families {
		f, ok, err := fam.Lookup(name)
		if err != nil {
			return Fact{}, err
		}
		if ok {
			return f, nil
		}
	}
	if near := c.nearest(name); near != "" {
		return Fact{}, Say(Invalid, Textf("%q という事実はありません。%q のことですか", "unknown fact %q; did you mean %q?", name, near))
	}
	return Fact{}, Say(Invalid, Textf("%q という事実はありません。「言葉の説明」に一覧があります", "unknown fact %q; docs/reference/facts.md lists them", name))
}

func (c *Catalogue) nearest(name string) string {
	best, bestDist := "", 4
	for _, n := range c.names {
		if d := editDistance(name, n); d < bestDist {
			best, bestDist = n, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diag, prev[j] = prev[j], min(prev[j]+1, prev[j-1]+1, diag+cost)
		}
	}
	return prev[len(b)]
}

// EventFacts declares the facts that are read from the event itself.
func EventFacts() []Fact { return slices.Clone(eventFacts) }

// EntityFacts is the family entity.<name>: who an event is about, declared
// entities included.
func EntityFacts() Family {
	return Family{
		Pattern: "entity.<name>",
		Example: "entity.account",
		Meaning: Text{"この出来事の当事者（会員・端末・住所など）。ない場合は空", "A party of the event (account, device, address, card …); empty when it has none"},
		Lookup: func(name string) (Fact, bool, error) {
			entity, ok := strings.CutPrefix(name, "entity.")
			if !ok || !ValidIdent(entity) {
				return Fact{}, false, nil
			}
			return Fact{Name: name, Type: Str, Read: func(e *Event) any { return e.Entities[entity] }}, true, nil
		},
	}
}

// request returns the request of an event that has one.
func (e *Event) request() *Request {
	switch p := e.Payload.(type) {
	case *Request:
		return p
	case *Blocked:
		return &p.Request
	}
	return &Request{}
}

func payloadOf[P any](e *Event) *P {
	if p, ok := any(e.Payload).(*P); ok && p != nil {
		return p
	}
	return new(P)
}

var (
	httpKinds    = []Kind{HTTPRequest, HTTPBlocked, HTTPLogged, HTTPExposed, HTTPAnswered}
	loginKinds   = []Kind{LoginAttempt, LoginOutcome}
	paymentKinds = []Kind{PaymentAttempt, PaymentOutcome}
)

var eventFacts = []Fact{
	{Name: "zone", Type: Str, Meaning: Text{"お店のどの場所か", "The zone of the shop"},
		Read: func(e *Event) any { return string(e.Zone) }},
	{Name: "request.method", Type: Str, Kinds: httpKinds, Meaning: Text{"HTTPメソッド", "HTTP method"},
		Read: func(e *Event) any { return e.request().Method }},
	{Name: "request.host", Type: Str, Kinds: httpKinds, Meaning: Text{"ホスト名", "Host name asked for"},
		Read: func(e *Event) any { return e.request().Host }},
	{Name: "request.path", Type: Str, Kinds: httpKinds, Meaning: Text{"パス", "Path asked for"},
		Read: func(e *Event) any { return e.request().Path }},
	{Name: "request.query", Type: Str, Kinds: httpKinds, Meaning: Text{"検索文字列", "Query string"},
		Read: func(e *Event) any { return e.request().Query }},
	{Name: "request.user_agent", Type: Str, Kinds: httpKinds, Meaning: Text{"ブラウザの名乗り", "What the browser calls itself"},
		Read: func(e *Event) any { return e.request().UserAgent }},
	{Name: "request.referer", Type: Str, Kinds: httpKinds, Meaning: Text{"直前のページ", "The page visited before"},
		Read: func(e *Event) any { return e.request().Referer }},
	{Name: "request.protocol", Type: Str, Kinds: httpKinds, Meaning: Text{"通信の方式", "HTTP version"},
		Read: func(e *Event) any { return e.request().Protocol }},
	{Name: "request.length", Type: Int, Unit: "bytes", Kinds: httpKinds, Meaning: Text{"本文の大きさ", "Size of the body; -1 when unknown"},
		Read: func(e *Event) any { return e.request().Length }},
	{Name: "request.score", Type: Int, Kinds: httpKinds, Meaning: Text{"WAFの点数（0は正常）", "WAF anomaly score; 0 is clean"},
		Read: func(e *Event) any { return int64(e.request().Score) }},
	{Name: "request.passed", Type: Bool, Kinds: httpKinds, Meaning: Text{"確認のページを通過済みか", "Whether the visitor has passed the check page"},
		Read: func(e *Event) any { return e.request().Passed }},
	{Name: "request.probe", Type: Str, Kinds: httpKinds, Meaning: Text{"アドレスから分かる探り・攻撃の種類（scan・exploit・web_shell）。普通なら空", "What the address alone gives away: scan, exploit or web_shell; empty for ordinary requests"},
		Read: func(e *Event) any { return string(e.request().Probe) }},
	{Name: "request.answered", Type: Int, Kinds: httpKinds, Meaning: Text{"お店のサーバーの答え（ログから読んだ通信だけ。それ以外は0）", "Status the shop's web server answered with, for requests known from its log; 0 otherwise"},
		Read: func(e *Event) any { return int64(e.request().Answered) }},
	{Name: "request.source", Type: Str, Kinds: httpKinds, Meaning: Text{"どこで見た通信か（logはサーバーのログ、空はのれんの入口）", "Where the request was seen: log for a web server's log, empty for the gateway"},
		Read: func(e *Event) any { return e.request().Source }},
	{Name: "blocked.cause", Type: Str, Kinds: []Kind{HTTPBlocked}, Meaning: Text{"止めた理由", "What stopped the request: ban, limit, waf, challenge …"},
		Read: func(e *Event) any { return string(payloadOf[Blocked](e).Cause) }},
	{Name: "tls.probe", Type: Str, Kinds: []Kind{TLSProbe}, Meaning: Text{"探られた弱点（heartbleed、heartbeat、sslv2）", "The weakness probed for: heartbleed, heartbeat, sslv2"},
		Read: func(e *Event) any { return payloadOf[TLSProbing](e).Probe }},
	{Name: "client.ja4", Type: Str, Meaning: Text{"接続してきたプログラムのTLSの特徴（JA4）。httpや手前の中継機器ごしでは不明で空", "JA4 fingerprint of the TLS client; empty when not known, as over plain HTTP or behind a proxy"},
		Read: func(e *Event) any { return e.Entities[EntityJA4] }},
	{Name: "device.known", Type: Bool, Meaning: Text{"お店の端末用Cookieを持ってきた端末か。初めての人やCookieを受け取らない人は false で、怪しいという意味ではない", "Whether the visitor brought a device cookie of this shop; false is unknown, not suspicious"},
		Read: func(e *Event) any { return e.deviceAge() >= 0 }},
	{Name: "device.age", Type: Int, Unit: "days", Meaning: Text{"端末用Cookieを渡してからの日数。不明なら-1（device.known と合わせて使う）", "Days since the device got its cookie; -1 when not known, so ask for device.known beside it"},
		Read: func(e *Event) any { return e.deviceAge() }},
	{Name: "mail.success", Type: Bool, Kinds: []Kind{MailLogin}, Meaning: Text{"メールへのログインに成功したか", "Whether the mail server let them in"},
		Read: func(e *Event) any { return payloadOf[MailSignIn](e).Success }},
	{Name: "mail.protocol", Type: Str, Kinds: []Kind{MailLogin}, Meaning: Text{"メールの通信方式（smtp・imap・pop3・sieve）", "smtp, imap, pop3 or sieve"},
		Read: func(e *Event) any { return payloadOf[MailSignIn](e).Protocol }},
	{Name: "mail.user", Type: Str, Kinds: []Kind{MailLogin}, Meaning: Text{"メールのログイン名", "The mail account that was tried"},
		Read: func(e *Event) any { return payloadOf[MailSignIn](e).User }},
	{Name: "blocked.rule", Type: Str, Kinds: []Kind{HTTPBlocked}, Meaning: Text{"止めた決まりの名前（上限・ポリシーなど）", "Name of what stopped it: a limit, a policy, a firewall rule …"},
		Read: func(e *Event) any { return payloadOf[Blocked](e).Rule }},
	{Name: "blocked.step", Type: Str, Kinds: []Kind{HTTPBlocked}, Meaning: Text{"回数の上限がどう応じたか（line・check・wait・block・ban）。上限でなければ空", "How a limit answered: line, check, wait, block or ban; empty when it was no limit"},
		Read: func(e *Event) any { return payloadOf[Blocked](e).Step }},
	{Name: "blocked.by", Type: Str, Kinds: []Kind{HTTPBlocked}, Meaning: Text{"回数の上限が誰の通信を数えたか（address・session・passなど）", "Whose requests a limit counted: address, session, pass …"},
		Read: func(e *Event) any { return payloadOf[Blocked](e).By }},
	{Name: "login.user", Type: Str, Kinds: loginKinds, Meaning: Text{"ログイン名", "The user name typed"},
		Read: func(e *Event) any {
			if p, ok := e.Payload.(*LoginResult); ok {
				return p.User
			}
			return payloadOf[Login](e).User
		}},
	{Name: "login.success", Type: Bool, Kinds: []Kind{LoginOutcome}, Meaning: Text{"ログインに成功したか", "Whether the shop let them in"},
		Read: func(e *Event) any { return payloadOf[LoginResult](e).Success }},
	{Name: "login.cause", Type: Str, Kinds: []Kind{LoginOutcome}, Meaning: Text{"失敗の理由", "Why the shop refused, when it tells"},
		Read: func(e *Event) any { return payloadOf[LoginResult](e).Cause }},
	{Name: "change.fields", Type: List, Kinds: []Kind{AccountChanged}, Meaning: Text{"変更された項目", "Names of the fields that changed"},
		Read: func(e *Event) any { return payloadOf[AccountChange](e).Fields }},
	{Name: "order.total", Type: Int, Unit: "minor units", Kinds: []Kind{OrderPlaced}, Meaning: Text{"注文の合計金額", "Order total"},
		Read: func(e *Event) any { return payloadOf[Order](e).Total.Minor }},
	{Name: "order.currency", Type: Str, Kinds: []Kind{OrderPlaced}, Meaning: Text{"通貨", "Currency of the order"},
		Read: func(e *Event) any { return payloadOf[Order](e).Total.Currency }},
	{Name: "order.method", Type: Str, Kinds: []Kind{OrderPlaced}, Meaning: Text{"支払い方法", "Way of paying"},
		Read: func(e *Event) any { return payloadOf[Order](e).Method }},
	{Name: "order.lines", Type: Int, Unit: "count", Kinds: []Kind{OrderPlaced}, Meaning: Text{"商品の種類の数", "Number of order lines"},
		Read: func(e *Event) any { return int64(len(payloadOf[Order](e).Items)) }},
	{Name: "order.quantity", Type: Int, Unit: "count", Kinds: []Kind{OrderPlaced}, Meaning: Text{"商品の合計個数", "Number of pieces"},
		Read: func(e *Event) any {
			var n int64
			for _, i := range payloadOf[Order](e).Items {
				n += i.Quantity
			}
			return n
		}},
	{Name: "payment.amount", Type: Int, Unit: "minor units", Kinds: paymentKinds, Meaning: Text{"支払い金額", "Amount of the payment"},
		Read: func(e *Event) any {
			if p, ok := e.Payload.(*PaymentResult); ok {
				return p.Amount.Minor
			}
			return payloadOf[Payment](e).Amount.Minor
		}},
	{Name: "payment.method", Type: Str, Kinds: []Kind{PaymentAttempt}, Meaning: Text{"支払い方法", "Way of paying"},
		Read: func(e *Event) any { return payloadOf[Payment](e).Method }},
	{Name: "payment.success", Type: Bool, Kinds: []Kind{PaymentOutcome}, Meaning: Text{"支払いに成功したか", "Whether the PSP accepted"},
		Read: func(e *Event) any { return payloadOf[PaymentResult](e).Success }},
	{Name: "payment.code", Type: Str, Kinds: []Kind{PaymentOutcome}, Meaning: Text{"決済会社の理由コード", "The PSP's reason"},
		Read: func(e *Event) any { return payloadOf[PaymentResult](e).Code }},
	{Name: "staff.success", Type: Bool, Kinds: []Kind{StaffLogin}, Meaning: Text{"スタッフのログインに成功したか", "Whether the staff sign-in succeeded"},
		Read: func(e *Event) any { return payloadOf[StaffSignIn](e).Success }},
	{Name: "staff.action", Type: Str, Kinds: []Kind{StaffAction}, Meaning: Text{"操作の名前", "What was done"},
		Read: func(e *Event) any { return payloadOf[Operation](e).Action }},
	{Name: "staff.records", Type: Int, Unit: "count", Kinds: []Kind{StaffAction}, Meaning: Text{"扱った件数", "How many records it touched"},
		Read: func(e *Event) any { return payloadOf[Operation](e).Records }},
}
