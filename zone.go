package noren

// Zone is the part of the shop a request is for. Everything after the shop map
// works on zones, never on raw paths.
type Zone string

// Zones of a shop.
const (
	ZoneStorefront Zone = "storefront"
	ZoneSearch     Zone = "search"
	ZoneSignup     Zone = "signup"
	ZoneLogin      Zone = "login"
	ZoneReset      Zone = "reset"
	ZoneProfile    Zone = "profile_change"
	ZoneCart       Zone = "cart"
	ZoneCheckout   Zone = "checkout"
	ZoneCardAdd    Zone = "card_add"
	ZoneCallback   Zone = "payment_callback"
	ZoneContact    Zone = "contact"
	ZoneAdmin      Zone = "admin"
	ZoneAdminLogin Zone = "admin_login"
	ZoneExport     Zone = "pii_bulk"
	ZoneCodeEdit   Zone = "code_edit"
	ZoneForbidden  Zone = "must_be_403"
)

// ZoneInfo describes a zone for people and says how strict it is.
type ZoneInfo struct {
	Zone    Zone
	Meaning Text
	// Strict orders zones: when several views of one path (raw, decoded,
	// dot segments resolved) fall into different zones, the highest wins.
	Strict int
	// Machine zones are called by other machines: never challenged.
	Machine bool
	// Payment zones are where a customer pays: never challenged.
	Payment bool
}

var zones = []ZoneInfo{
	{Zone: ZoneForbidden, Strict: 100, Meaning: Text{"外から決して見えてはいけない場所", "Files that must never be served"}},
	{Zone: ZoneCodeEdit, Strict: 90, Meaning: Text{"テンプレート・プラグインなどプログラムの編集", "Editing code: templates, plug-ins"}},
	{Zone: ZoneExport, Strict: 85, Meaning: Text{"個人情報の一括出力", "Bulk export of personal data"}},
	{Zone: ZoneAdminLogin, Strict: 80, Meaning: Text{"管理画面のログイン", "Sign-in of the shop's admin"}},
	{Zone: ZoneAdmin, Strict: 75, Meaning: Text{"管理画面", "The shop's admin"}},
	{Zone: ZoneCallback, Strict: 70, Machine: true, Payment: true, Meaning: Text{"決済会社からの通知", "Calls from the payment provider"}},
	{Zone: ZoneCardAdd, Strict: 65, Payment: true, Meaning: Text{"カードの登録", "Adding a card"}},
	{Zone: ZoneCheckout, Strict: 60, Payment: true, Meaning: Text{"購入手続き", "Checkout"}},
	{Zone: ZoneLogin, Strict: 55, Meaning: Text{"お客様のログイン", "Customer sign-in"}},
	{Zone: ZoneReset, Strict: 50, Meaning: Text{"パスワードの再設定", "Password reset"}},
	{Zone: ZoneSignup, Strict: 45, Meaning: Text{"会員登録", "Sign-up"}},
	{Zone: ZoneProfile, Strict: 40, Meaning: Text{"会員情報の変更", "Changing account data"}},
	{Zone: ZoneContact, Strict: 30, Meaning: Text{"お問い合わせ", "Contact form"}},
	{Zone: ZoneCart, Strict: 20, Meaning: Text{"カート", "Cart"}},
	{Zone: ZoneSearch, Strict: 10, Meaning: Text{"検索", "Search"}},
	{Zone: ZoneStorefront, Strict: 0, Meaning: Text{"お店の一般ページ", "Ordinary shop pages"}},
}

// Zones lists every zone, strictest first.
func Zones() []ZoneInfo { return append([]ZoneInfo(nil), zones...) }

// Info describes z; ok is false for a zone that does not exist.
func (z Zone) Info() (info ZoneInfo, ok bool) {
	for i := range zones {
		if zones[i].Zone == z {
			return zones[i], true
		}
	}
	return ZoneInfo{}, false
}

// Stricter returns the stricter of two zones; an unknown zone loses.
func Stricter(a, b Zone) Zone {
	ia, oka := a.Info()
	ib, okb := b.Info()
	if !oka || okb && ib.Strict > ia.Strict {
		return b
	}
	return a
}
