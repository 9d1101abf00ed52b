package corpus

import "noren"

// fieldNames are what programs call a field of a kind: EC-CUBE 4, WooCommerce,
// EC-CUBE 2, a form of one's own.
var fieldNames = map[Kind][]string{
	Name:     {"contact[name][name01]", "billing_last_name", "order_name01", "name"},
	Kana:     {"entry[kana][kana01]", "billing_yomigana_last_name", "order_kana01", "kana"},
	Address:  {"shipping_address[address][addr02]", "billing_address_1", "order_addr02", "address"},
	Phone:    {"entry[phone_number]", "billing_phone", "order_tel01", "tel"},
	Mail:     {"contact[email]", "billing_email", "order_email", "mail"},
	Company:  {"entry[company_name]", "billing_company", "order_company_name", "company"},
	Title:    {"product_review[title]", "subject", "title"},
	Review:   {"product_review[comment]", "comment", "review"},
	Message:  {"contact[contents]", "your-message", "contents", "inquiry"},
	Note:     {"_shopping_order[message]", "order_comments", "message", "bikou"},
	Gift:     {"_shopping_order[note]", "gift_message", "noshi", "card_text"},
	Search:   {"name", "s", "q", "keyword"},
	Product:  {"admin_product[name]", "post_title", "product_name", "item_name"},
	Coupon:   {"coupon_code", "coupon_cd", "code"},
	Number:   {"id", "product_id", "category_id", "quantity"},
	Link:     {"url", "site", "link", "callback"},
	File:     {"file", "page", "template", "path"},
	Password: {"login_pass", "password", "pwd"},
	HTML:     {"admin_product[description_detail]", "content", "main_list_comment"},
	Template: {"main_edit[tpl_data]", "tpl_data", "header"},
	Style:    {"css_data", "custom_css"},
	Agent:    {"ua"},
	Document: {"doc"},
}

func (l *Line) field() string {
	names := fieldNames[l.Kind]
	if len(names) == 0 {
		return "value"
	}
	return names[l.chance("field name", len(names))]
}

// page is an address of the zone that is only looked at.
func (l *Line) page() string {
	if p, ok := pages[l.Zone]; ok {
		return p
	}
	return "/products/list"
}

// action is where a form of the zone goes, in EC-CUBE 4, and api where the
// script of a headless shop sends JSON.
func (l *Line) action() string {
	if a, ok := actions[l.Zone]; ok {
		return a
	}
	return "/products/review/12"
}

func (l *Line) api() string {
	if a, ok := apis[l.Zone]; ok {
		return a
	}
	return "/shop-api"
}

var pages = map[noren.Zone]string{
	noren.ZoneSearch: "/products/list", noren.ZoneLogin: "/mypage/login", noren.ZoneContact: "/contact", noren.ZoneCart: "/cart",
	noren.ZoneCheckout: "/shopping", noren.ZoneSignup: "/entry", noren.ZoneProfile: "/mypage/change", noren.ZoneAdmin: "/admin/product",
	noren.ZoneCallback: "/payment/notify", noren.ZoneCodeEdit: "/admin/content/page/3/edit",
}

var actions = map[noren.Zone]string{
	noren.ZoneSearch: "/products/list", noren.ZoneLogin: "/mypage/login", noren.ZoneContact: "/contact", noren.ZoneCart: "/products/add_cart/12",
	noren.ZoneCheckout: "/shopping/confirm", noren.ZoneSignup: "/entry", noren.ZoneProfile: "/mypage/change",
	noren.ZoneAdmin: "/admin/product/product/12/edit", noren.ZoneCallback: "/payment/notify", noren.ZoneCodeEdit: "/admin/content/page/3/edit",
	noren.ZoneReset: "/forgot",
}

var apis = map[noren.Zone]string{
	noren.ZoneContact: "/contact", noren.ZoneCart: "/cart/api", noren.ZoneCheckout: "/shopping/api", noren.ZoneLogin: "/mypage/login",
	noren.ZoneAdmin: "/admin/api", noren.ZoneCallback: "/payment/notify", noren.ZoneSignup: "/entry", noren.ZoneProfile: "/mypage/change",
	noren.ZoneCodeEdit: "/admin/content/page/3/edit",
}

var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 14; SO-51D) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.8.0",
}

func browserHeader(l *Line) map[string][]string {
	return map[string][]string{
		"User-Agent":      {agents[l.chance("agent", len(agents))]},
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
		"Accept-Language": {"ja,en-US;q=0.9,en;q=0.8"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"},
		"Sec-Fetch-Site":  {"same-origin"},
		"Sec-Fetch-Mode":  {"navigate"},
		"Referer":         {"https://shop.example/"},
		"Cookie":          {"eccube=0f1e2d3c4b5a69788796a5b4c3; _ga=GA1.2.123456789.1763700000"},
	}
}
