package corpus

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"noren"
)

// KeptSeed and KeptCount make the generated part of the kept corpus.
const (
	KeptSeed  = 20261128
	KeptCount = 4600
)

// Benign is the kept corpus of benign lines: the hand-written and the generated.
func Benign() ([]Line, error) {
	out, err := HandWritten()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range out {
		seen[l.Text] = true
	}
	for _, l := range Generate(KeptSeed, KeptCount) {
		if !seen[l.Text] {
			out = append(out, l)
		}
	}
	return out, nil
}

// Generate makes n different benign lines. The same seed gives the same lines.
func Generate(seed uint64, n int) []Line {
	g := &generator{rand.New(rand.NewPCG(seed, 1))}
	total := 0
	for _, m := range makers {
		total += m.weight
	}
	seen := map[string]bool{}
	var out []Line
	for len(out) < n {
		k := g.IntN(total)
		for _, m := range makers {
			if k -= m.weight; k >= 0 {
				continue
			}
			if text := m.make(g); !seen[text] {
				seen[text] = true
				out = append(out, Line{Text: text, Kind: m.kind, Zone: m.zone, In: m.in, From: "generated"})
			}
			break
		}
	}
	return out
}

type generator struct{ *rand.Rand }

// maker makes lines of one kind; weight is its share.
type maker struct {
	kind   Kind
	zone   noren.Zone
	in     []Place
	weight int
	make   func(*generator) string
}

var makers = []maker{
	{Name, noren.ZoneSignup, []Place{InForm, InJSON}, 8, (*generator).name},
	{Kana, noren.ZoneSignup, []Place{InForm}, 3, (*generator).kana},
	{Address, noren.ZoneCheckout, []Place{InForm, InJSON, InMultipart}, 14, (*generator).address},
	{Phone, noren.ZoneProfile, []Place{InForm, InJSON}, 2, (*generator).phone},
	{Mail, noren.ZoneLogin, []Place{InForm, InJSON}, 3, (*generator).mail},
	{Company, noren.ZoneCheckout, []Place{InForm, InJSON}, 4, (*generator).company},
	{Product, noren.ZoneCart, []Place{InForm, InJSON, InCookie}, 12, (*generator).product},
	{Product, noren.ZoneAdmin, []Place{InForm, InMultipart}, 3, (*generator).product},
	{Search, noren.ZoneSearch, []Place{InQuery, InReferer, InPath}, 12, (*generator).search},
	{Review, noren.ZoneStorefront, []Place{InForm, InJSON, InMultipart}, 14, (*generator).review},
	{Message, noren.ZoneContact, []Place{InForm, InJSON, InMultipart}, 14, (*generator).message},
	{Note, noren.ZoneCheckout, []Place{InForm, InJSON}, 10, (*generator).note},
	{Gift, noren.ZoneCheckout, []Place{InForm, InJSON}, 5, (*generator).gift},
	{Coupon, noren.ZoneCheckout, []Place{InForm, InJSON, InQuery}, 2, (*generator).coupon},
	{Link, noren.ZoneContact, []Place{InForm, InJSON}, 3, (*generator).link},
	{File, noren.ZoneContact, []Place{InFilename}, 3, (*generator).file},
	{HTML, noren.ZoneAdmin, []Place{InForm, InMultipart}, 5, (*generator).html},
	{Document, noren.ZoneCheckout, []Place{InBody}, 6, (*generator).cart},
	{Document, noren.ZoneStorefront, []Place{InBody}, 2, (*generator).graphql},
	{Password, noren.ZoneLogin, []Place{InForm, InJSON}, 2, (*generator).password},
}

func (g *generator) of(list ...string) string { return list[g.IntN(len(list))] }

// word is one of a list written in one line, parted by spaces.
func (g *generator) word(list string) string {
	words := strings.Fields(list)
	return words[g.IntN(len(words))]
}

// some is s in one of n cases.
func (g *generator) some(n int, s string) string {
	if g.IntN(n) == 0 {
		return s
	}
	return ""
}

var wide = strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３", "4", "４", "5", "５", "6", "６", "7", "７", "8", "８", "9", "９", "-", "－")

// digits are of any width, as people type them.
func (g *generator) digits(s string) string {
	if g.IntN(4) == 0 {
		return wide.Replace(s)
	}
	return s
}

func (g *generator) dash() string {
	return g.of("-", "-", "-", "ー", "－", "−", "‐", "–", "の")
}

func (g *generator) number(n int) string { return fmt.Sprint(1 + g.IntN(n)) }

const (
	surnames = "山田 佐藤 鈴木 髙橋 田中 渡邉 渡邊 伊藤 中村 小林 加藤 吉田 山本 斎藤 齋藤 齊藤 松本 井上 木村 林 清水 山﨑 池田 橋本 阿部 石川 前田 藤田 後藤 近藤 青木 坂本 遠藤 福田 太田 西村 藤井 岡本 三浦 中野 原田 小野 田村 竹内 金子 和田 中山 石田 上田 森 表 曾根 能登 十文字 会田 社本 価値 便田 例沢 御手洗 𠮷野 辻 榊 噂 小鳥遊 四月一日 勅使河原"
	given    = "太郎 花子 健一 美咲 陽菜 蓮 大翔 結衣 さくら 翔太 由美子 浩二 直樹 恵 愛 真由美 裕子 一 二三 けんじ めぐみ ジョージ マリア 心愛 葵 悠真 凛 莉子 樹 陸 ひなた 清 和歌子 ゑみ 千ゑ 光宙"
	readings = "ヤマダ サトウ スズキ タカハシ ワタナベ コバヤシ サイトウ イトウ ソノダ ポール ヂュン ヴァンサン オノデラ ンガ"
	foreign  = "O'Connor D'Souza Nguyễn Müller García-López Smith MacDonald de_la_Cruz van_der_Berg Øster Łukasz Kim Lê Phạm İpek N'Diaye McCarthy"
	firsts   = "John Anh José Marie-Claire Min-jun Patrick Thảo João Ölga Zoë Siobhán Ken'ichi Jun Xiao-ming Somchai"
)

func (g *generator) name() string {
	if g.IntN(6) == 0 {
		return strings.ReplaceAll(g.word(foreign), "_", " ") + g.of(" ", ", ", "　") + g.word(firsts)
	}
	s := g.word(surnames) + g.of(" ", "　", "", "・") + g.word(given)
	return s + g.some(3, g.of("様", " 様", "（旧姓："+g.word(surnames)+"）", "(本人)", "・"+g.word(given)+"（連名）", " & "+g.word(given), "／"+g.word(given), "【"+g.word(readings)+"】"))
}

func (g *generator) kana() string {
	s := g.word(readings) + g.of(" ", "　", "・") + g.word("タロウ ハナコ ケンイチ ジョージ マリア シュン'イチ ヂヅコ ッペ ー")
	return s + g.some(4, g.of("（ホンニン）", " サマ", "－", "゛"))
}

const (
	cities = "東京都千代田区丸の内 東京都港区六本木 東京都世田谷区北沢 大阪府大阪市北区梅田 大阪府堺市堺区中瓦町 愛知県名古屋市中区栄 北海道札幌市中央区北一条西 宮城県仙台市青葉区国分町 福岡県福岡市博多区住吉 京都府京都市上京区今出川通烏丸東入ル 京都府京都市下京区四条通烏丸東入ル長刀鉾町 神奈川県横浜市西区みなとみらい 神奈川県川崎市川崎区駅前本町 埼玉県さいたま市大宮区桜木町 千葉県浦安市舞浜 兵庫県神戸市中央区波止場町 広島県広島市中区基町 沖縄県那覇市おもろまち 栃木県鹿沼市御成橋町 長野県松本市中央 石川県金沢市香林坊 新潟県新潟市中央区笹口 岩手県盛岡市盛岡駅西通 青森県青森市長島 鹿児島県奄美市名瀬港町 香川県高松市番町 三重県伊勢市宇治館町 奈良県生駒郡斑鳩町法隆寺山内 福井県鯖江市本町 山形県酒田市中町"
)

func (g *generator) address() string {
	n := g.number(9)
	switch g.IntN(4) {
	case 0:
		n = g.digits(n) + g.of("丁目", "丁目 ") + g.digits(g.number(40)) + g.of("番地", "番", "番地の") + g.some(2, g.digits(g.number(30))+"号")
	case 1:
		n = g.word("一 二 三 四 五") + "丁目" + g.word("一 二 三 十 十二") + "番" + g.word("一 五 七") + "号"
	default:
		d := g.dash()
		n = g.digits(n + d + g.number(40) + g.some(2, d+g.number(30)))
	}
	return g.some(5, "〒"+fmt.Sprintf("%03d-%04d ", 100+g.IntN(800), g.IntN(9999))) + g.word(cities) + n + g.building()
}

func (g *generator) building() string {
	if g.IntN(4) == 0 {
		return ""
	}
	room := g.digits(g.number(12) + fmt.Sprintf("%02d", 1+g.IntN(20)))
	house := g.of("丸ビル", "メゾン・ド・青山", "コーポ山田", "グランド・ハイツ〜葵〜", "サンライズマンション", "パークサイド'21", "レジデンスＡ棟", "ﾒｿﾞﾝ･ｿﾚｲﾕ", "第２山田ビル", "Lion's Court", "ヴィラ\"Sol\"",
		"A&Kハイツ", "エスポワール（北棟）", "県営住宅３号棟", "プラザ1/2", "団地(5-3)", "シャトー御成橋", "ハイム#", "(株)山田商店内", "㈱髙島気付", "ロイヤル・ヴェール＋")
	return g.of(" ", "　", " / ", "、", "") + house + g.of(" ", "", "#", "＃", "-", "－", "（", " No.") + room + g.of("", "号", "号室", "）", "F", "Ｆ", "階", "(不在時→管理人室)", "；表札なし", " [呼出#]")
}

func (g *generator) phone() string {
	a, b, c := g.word("090 080 070 03 06 052 0120 011"), fmt.Sprintf("%04d", g.IntN(10000)), fmt.Sprintf("%04d", g.IntN(10000))
	d := g.of("-", "-", "", "ー", "－", "−", " ", ".")
	return g.digits(g.of(a+d+b+d+c, a+"("+b+")"+c, "("+a+")"+b+"-"+c, "+81"+d+a[1:]+d+b+d+c)) + g.some(4, g.of("（携帯）", " 内線"+g.number(99), "#"+g.number(99), ";FAX同じ", " (夜間)"))
}

func (g *generator) mail() string {
	who := g.word("hanako taro k.sato misaki_1990 info o'brien yuki-n s.suzuki+shop jun.ichi x=y a&b union select. drop-in .t.. love*2 100%me")
	return who + g.some(3, g.number(99)) + g.of("@", "@", "@", "＠") + g.word("example.jp example.co.jp docomo.example.ne.jp mail.example.com ezweb.example.ne.jp")
}

func (g *generator) company() string {
	name := g.word("山田 ソース 表示 能登 十字屋 ことり A&B ケー・アンド・エス ﾏﾙﾔﾏ O'Hara ユニオン セレクト 日の丸 御成 会津 三ツ矢 一番館 1=1 N's") + g.word("商店 産業 工務店 企画 ラボ 物産 フーズ システムズ 印刷 デザイン")
	return g.of("㈱"+name, "(株)"+name, "（有）"+name, name+"㈱", "株式会社"+name, "有限会社　"+name, name+"合同会社", "㈲"+name, "一般社団法人"+name) + g.some(3, g.of("　渋谷支店", " 総務部/経理課", "（担当："+g.word(surnames)+"）", " 3F;受付", "〈仮〉", " & Sons"))
}

func (g *generator) noun() string {
	return g.word("セーター ワンピース コート マグカップ 珈琲豆 お米 急須 Tシャツ パーカー スニーカー 手帳 万年筆 タオル 鍋 包丁 ソファ カーテン 椅子 iPhoneケース イヤホン 充電器 ベビー服 絵本 CD ポスター 花瓶 ネックレス 日本酒 ワイン りんご みかん 福袋 トート ﾘｭｯｸ ｶｰﾃﾞｨｶﾞﾝ メーカー純正カバー ローラー")
}

func (g *generator) colour() string {
	return g.word("赤 青 黒 白 紺 ネイビー ベージュ 緑 ピンク 生成り グレー 黄 茶 ﾌﾞﾗｯｸ Red FFF")
}

func (g *generator) size() string {
	return g.of("S", "M", "L", "XL", "フリー", "23.5cm", g.number(200)+"cm", g.number(20)+"\"", g.number(9)+"\"×"+g.number(9)+"\"", "φ"+g.number(30)+"mm", g.number(9)+"/8\"", g.number(40)+"×"+g.number(40)+"cm", "W"+g.number(40)+"*L"+g.number(40), g.number(9)+"00g", g.number(9)+"L", "A"+g.number(6), "約"+g.number(9)+".5kg")
}

func (g *generator) product() string {
	s := g.some(2, g.of("【送料無料】", "★新春★", "＜限定＞", "《予約》", "≪訳あり≫", "[再入荷]", "◆SALE◆", "♪", "※", "(中古)", "\"限定\"", "50%OFF!! ", "㊙", "'26年 ", "<新作> ", "→NEW← ", "＼人気No.1／"))
	s += g.some(2, g.of("北欧風", "手編みの", "選べる", "大人の", "R&B ", "O'Neill ", "LEVI'S ", "無印の", "カラー/", "A+B ", "SELECT ", "UNION ", "ドロップ")) + g.noun()
	return s + g.of("", "（"+g.colour()+"）", "("+g.colour()+")", " "+g.colour()+"/"+g.size(), "／"+g.colour()+"・"+g.size(), " No."+g.number(50), "×"+g.number(12)+"個", "；"+g.size(), " ["+g.size()+"]", "|"+g.colour(), "【"+g.size()+"】", "~"+g.colour()+"~", " {"+g.colour()+"}", "♡"+g.colour(), " -"+g.colour()+"-", "…"+g.size(), "="+g.size(), "<"+g.size()+">")
}

func (g *generator) search() string {
	a := g.noun()
	return g.of(a+" "+g.colour(), a+"（"+g.colour()+"）", a+"("+g.colour()+")", "\""+a+"\"", a+" -"+g.colour(), a+" OR "+g.noun(), a+" AND "+g.colour(), a+"/"+g.size(), a+" "+g.size(), a+"　"+g.colour()+"　"+g.size(),
		a+"&"+g.noun(), a+"+"+g.noun(), a+"|"+g.noun(), a+";"+g.noun(), a+" "+g.number(99)+"00円以下", a+" <"+g.number(99)+"00", a+"*", a+"?", "「"+a+"」", "『"+a+"』 "+g.number(20)+"巻", a+"#"+g.number(9), a+" '26", a+"%OFF", "@"+a, a+"!", g.product(), g.product())
}
