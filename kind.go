package noren

import (
	"fmt"
	"time"
)

// Kind names what happened. A kind is declared once, in kinds below.
type Kind string

// Kinds of events.
const (
	HTTPRequest    Kind = "http.request"
	HTTPBlocked    Kind = "http.blocked"
	TLSProbe       Kind = "tls.probe"
	HTTPLogged     Kind = "http.logged"
	HTTPExposed    Kind = "http.exposed"
	HTTPAnswered   Kind = "http.answered"
	MailLogin      Kind = "mail.login"
	MailRefused    Kind = "mail.refused"
	LoginAttempt   Kind = "account.login.attempt"
	LoginOutcome   Kind = "account.login.outcome"
	AccountChanged Kind = "account.changed"
	OrderPlaced    Kind = "order.placed"
	PaymentAttempt Kind = "payment.attempt"
	PaymentOutcome Kind = "payment.outcome"
	StaffLogin     Kind = "staff.login"
	StaffAction    Kind = "staff.action"
	SettingsChange Kind = "settings.changed"
	BanChange      Kind = "ban.changed"
	ModeChange     Kind = "mode.changed"
	EmergencyEvent Kind = "emergency.switched"
	PlaceChange    Kind = "place.changed"
	AccessOpened   Kind = "access.opened"
	ClockStep      Kind = "clock.stepped"
	UpstreamChange Kind = "upstream.changed"
	CertState      Kind = "certificate.state"
)

// Side is the verdict given when a decision cannot be made in time or at all.
type Side string

// Failure sides.
const (
	SideOpen   Side = "open"    // let it pass, recorded
	SideStepUp Side = "step_up" // ask for one more proof
	SideReview Side = "review"  // accept, a person looks before it ships
	SideClosed Side = "closed"  // refuse, with Retry-After
)

// Verdict is what a decision by this side says.
func (s Side) Verdict() Verdict {
	switch s {
	case SideOpen:
		return Allow
	case SideStepUp:
		return StepUp
	case SideReview:
		return Review
	}
	return Block
}

// Recording says how an event of a kind reaches the journal.
type Recording string

// Ways of recording.
const (
	// RecordFirst entries are durable before the answer leaves.
	RecordFirst Recording = "first"
	// RecordSampled entries: the first ten per client, kind and rule in a
	// minute one by one, the rest as one counted entry a minute, without waiting.
	RecordSampled Recording = "sampled"
	// RecordCounted events go to the access log; the journal gets aggregates.
	RecordCounted Recording = "counted"
)

// Half says whether a kind stands alone or is one half of a pair.
type Half string

// Halves.
const (
	Whole   Half = "whole"
	Attempt Half = "attempt" // decided before the shop or the PSP sees it; counters reserve
	Outcome Half = "outcome" // what became of an attempt; counters settle
)

// KindInfo declares a kind.
type KindInfo struct {
	Kind      Kind
	Meaning   Text
	Half      Half
	Pair      Kind          // the other half; "" for a whole
	Deadline  time.Duration // a decision not made by then falls to Side
	Side      Side
	Recording Recording
	// Operational kinds tell of Noren itself. They are recorded, never decided.
	Operational bool
	newPayload  func() Payload
}

// NewPayload returns an empty payload of the kind.
func (i KindInfo) NewPayload() Payload { return i.newPayload() }

// kinds is the declaration of every kind: the one place where its deadline,
// failure side and way of recording are decided (design: "Which way it fails").
var kinds = []KindInfo{
	{Kind: HTTPRequest, Half: Whole, Deadline: 20 * time.Millisecond, Side: SideOpen, Recording: RecordCounted,
		Meaning:    Text{"お店への通信", "A request to the shop"},
		newPayload: func() Payload { return new(Request) }},
	{Kind: HTTPBlocked, Half: Whole, Deadline: 20 * time.Millisecond, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"入口で止めた通信", "A request stopped at the gateway"},
		newPayload: func() Payload { return new(Blocked) }},
	{Kind: TLSProbe, Half: Whole, Deadline: 300 * time.Millisecond, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"暗号化通信（TLS）の弱点を探る接続", "A connection that probes TLS for weaknesses; it was cut off"},
		newPayload: func() Payload { return new(TLSProbing) }},
	{Kind: HTTPLogged, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordCounted,
		Meaning:    Text{"お店のサーバーのログにある通信（のれんを通っていないもの）", "A request in a web server's log, one that did not pass the gateway"},
		newPayload: func() Payload { return new(Request) }},
	{Kind: HTTPExposed, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"見えてはいけないファイルが外に出た（サーバーのログから）", "A file that must never be served was served (seen in a web server's log)"},
		newPayload: func() Payload { return new(Request) }},
	{Kind: HTTPAnswered, Half: Whole, Deadline: 100 * time.Millisecond, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"怪しい通信や個人情報の出力にお店が返した答え（まだお客様側へは渡していません）", "What the shop answered to a request that gave itself away or that exports personal data, before the answer leaves"},
		newPayload: func() Payload { return new(Request) }},
	{Kind: MailLogin, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"メールサーバーへのログイン", "A sign-in to the mail server"},
		newPayload: func() Payload { return new(MailSignIn) }},
	{Kind: MailRefused, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordSampled,
		Meaning:    Text{"断ったメールの不正中継", "A relay attempt that the mail server refused"},
		newPayload: func() Payload { return new(MailRefusal) }},
	{Kind: LoginAttempt, Half: Attempt, Pair: LoginOutcome, Deadline: 300 * time.Millisecond, Side: SideStepUp, Recording: RecordFirst,
		Meaning:    Text{"お客様のログインの試み", "A customer's sign-in, before the shop sees it"},
		newPayload: func() Payload { return new(Login) }},
	{Kind: LoginOutcome, Half: Outcome, Pair: LoginAttempt, Deadline: 300 * time.Millisecond, Side: SideOpen, Recording: RecordFirst,
		Meaning:    Text{"お客様のログインの結果", "What the shop answered to a sign-in"},
		newPayload: func() Payload { return new(LoginResult) }},
	{Kind: AccountChanged, Half: Whole, Deadline: 300 * time.Millisecond, Side: SideOpen, Recording: RecordFirst,
		Meaning:    Text{"会員情報の変更", "A change of account data"},
		newPayload: func() Payload { return new(AccountChange) }},
	{Kind: OrderPlaced, Half: Whole, Deadline: 500 * time.Millisecond, Side: SideReview, Recording: RecordFirst,
		Meaning:    Text{"ご注文", "An order"},
		newPayload: func() Payload { return new(Order) }},
	{Kind: PaymentAttempt, Half: Attempt, Pair: PaymentOutcome, Deadline: 300 * time.Millisecond, Side: SideOpen, Recording: RecordFirst,
		Meaning:    Text{"支払いの試み", "A payment, before the PSP sees it"},
		newPayload: func() Payload { return new(Payment) }},
	{Kind: PaymentOutcome, Half: Outcome, Pair: PaymentAttempt, Deadline: 300 * time.Millisecond, Side: SideOpen, Recording: RecordFirst,
		Meaning:    Text{"支払いの結果", "What the PSP answered to a payment"},
		newPayload: func() Payload { return new(PaymentResult) }},
	{Kind: StaffLogin, Half: Whole, Deadline: 300 * time.Millisecond, Side: SideClosed, Recording: RecordFirst,
		Meaning:    Text{"スタッフのログイン", "A staff sign-in"},
		newPayload: func() Payload { return new(StaffSignIn) }},
	{Kind: StaffAction, Half: Whole, Deadline: 300 * time.Millisecond, Side: SideClosed, Recording: RecordFirst,
		Meaning:    Text{"スタッフの操作", "An operation by staff"},
		newPayload: func() Payload { return new(Operation) }},
	{Kind: SettingsChange, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"設定の変更", "A change of settings"},
		newPayload: func() Payload { return new(SettingsVersion) }},
	{Kind: BanChange, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"遮断・許可の変更", "A ban or allow-list entry set or lifted"},
		newPayload: func() Payload { return new(BanEntry) }},
	{Kind: ModeChange, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"混雑・攻撃・準備中モードの切り替え", "A site switched to busy, under attack, closed or back"},
		newPayload: func() Payload { return new(SiteModeChange) }},
	{Kind: EmergencyEvent, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"非常時の停止（カード決済・ログイン・管理画面・海外）の開始・終了", "An emergency switch on or off: card payments, sign-in, admin, visits from abroad"},
		newPayload: func() Payload { return new(EmergencySwitch) }},
	{Kind: PlaceChange, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"名前を付けた場所の変更", "A named place set, removed or over"},
		newPayload: func() Payload { return new(PlaceEntry) }},
	{Kind: AccessOpened, Half: Whole, Deadline: time.Second, Side: SideClosed, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"入室ルールの非常開放", "Access rules opened by hand for a while, or closed again"},
		newPayload: func() Payload { return new(AccessOpening) }},
	{Kind: CertState, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"証明書の状態（更新・期限切れ間近・取得失敗）", "A site's certificate: renewed, running out, wrong, or not obtained"},
		newPayload: func() Payload { return new(CertificateState) }},
	{Kind: ClockStep, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"時計の飛び・ノード間のずれ", "The machine's clock jumped, or two nodes' clocks are apart"},
		newPayload: func() Payload { return new(ClockJump) }},
	{Kind: UpstreamChange, Half: Whole, Deadline: time.Second, Side: SideOpen, Recording: RecordFirst, Operational: true,
		Meaning:    Text{"お店のサーバーの停止・復帰", "A server of the shop went down or came back"},
		newPayload: func() Payload { return new(ServerState) }},
}

// Kinds lists every kind in the order they are declared.
func Kinds() []KindInfo { return append([]KindInfo(nil), kinds...) }

// Info returns the declaration of k.
func (k Kind) Info() (KindInfo, error) {
	for i := range kinds {
		if kinds[i].Kind == k {
			return kinds[i], nil
		}
	}
	return KindInfo{}, fmt.Errorf("unknown event kind %q; kinds are %s", string(k), kindNames())
}

func kindNames() string {
	s := ""
	for i, k := range kinds {
		if i > 0 {
			s += ", "
		}
		s += string(k.Kind)
	}
	return s
}
