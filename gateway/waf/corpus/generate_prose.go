package corpus

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

func (g *generator) face() string {
	return g.of("<(_ _)>", "m(_ _)m", "(´;ω;`)", "(*^^*)", "^^;", "(；´Д｀)", "ヽ(`Д´)ﾉ", "(^o^)/", "＼(^o^)／", "(*'▽'*)", "orz", "…", "!!", "？？", "(笑)", "(>_<)", ":-)", ";-)", "<3", "♪", "☆彡", "🙏", "😊", "ﾟ+.(*ﾉ∀ﾉ)ﾟ+.", "(T_T)/~~~", "|ω・`)", "('ω')ノ", "_(:3」∠)_", "{{{(>_<)}}}", "[^_^]b", "(^^)v", "＞＜", "(o_ _)o))")
}

// quoted never puts # or <17> behind a plain quote: the first cuts a statement of
// MySQL off, the second compares what stands around it, and no firewall can tell.
func (g *generator) quoted(s string) string {
	if strings.HasPrefix(s, "#") || comparison.MatchString(s) {
		return g.of("「"+s+"」", "『"+s+"』", "【"+s+"】", "("+s+")", "“"+s+"”")
	}
	return g.of("「"+s+"」", "『"+s+"』", "'"+s+"'", "\""+s+"\"", "“"+s+"”", "("+s+")", "（"+s+"）", "<"+s+">", "＜"+s+"＞", "["+s+"]", "【"+s+"】", "*"+s+"*", "〈"+s+"〉", "≪"+s+"≫", "―"+s+"―", "－"+s+"－", "{"+s+"}")
}

var comparison = regexp.MustCompile(`^[<>=*/%&|+~^-]+\d+[<>=*/%&|+~^-]+$`)

func (g *generator) end() string {
	return g.of("。", "！", "!!", "♪", "…", "；", ";", "☆", "^^", "w", "笑", "")
}

func (g *generator) sentence() string {
	p, c, s, n := g.noun(), g.colour(), g.size(), g.number(30)
	return g.of(
		p+"は"+g.quoted(c)+"を選びました", "写真より"+c+"が濃い("+p+")", "身長"+fmt.Sprint(150+g.IntN(35))+"cm/体重"+fmt.Sprint(40+g.IntN(40))+"kgで"+s+"がぴったり", "届くまで"+n+"〜"+g.number(9)+"日",
		"★"+g.number(5)+"つ/5点中", n+"個中"+g.number(3)+"個が不良(率"+n+"%)", "値段="+g.price()+"、送料="+g.price(), g.price()+"→"+g.price()+"に値下げ", "説明書に"+g.quoted(p)+"と書いてある", "友人の"+g.word("A B K 花子")+"'s おすすめ",
		"色:"+c+";サイズ:"+s+";個数:"+n, p+" > "+g.noun()+" という印象", p+"と"+g.noun()+"、どちらか1つ選ぶなら前者", p+"&"+g.noun()+"のセット", "10点中"+g.number(9)+"点("+g.number(9)+"点減点)", "100%"+g.word("満足 コットン リピ 本物"), "「"+p+"」で検索→一番上",
		"型番は"+g.code()+"/"+c, "前回("+n+"月)も購入", "母に"+p+"、父に"+g.noun(), "or "+c+"もよいかも", "ロゴの"+g.quoted("&")+"が剥げた", "縦"+n+"cm×横"+g.number(40)+"cm", "洗濯"+g.number(9)+"回目でほつれ；交換済",
		p+"("+s+")を買い、"+g.noun()+"("+c+")を返品", "サイトは"+g.quoted("select")+"を押すだけ", "#"+p+" #"+c+" #買ってよかった", "1."+c+" 2."+s+" 3."+p, "--- "+p+" ---", "→"+p+"←コレ", p+"…じゃなくて"+g.noun()+"でした", "例の便で会社に届いた", "この価格でこの"+p+"、御の字")
}

func (g *generator) price() string {
	n := (1 + g.IntN(300)) * 100
	withComma := fmt.Sprint(n)
	if n >= 1000 {
		withComma = fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	return g.of(withComma+"円", "¥"+withComma, "￥"+withComma, "\\"+withComma, withComma+"-", "税込"+withComma+"円", "@"+withComma, "$"+g.number(99)+".99", wide.Replace(fmt.Sprint(n))+"円", withComma+"円(10%引)")
}

func (g *generator) code() string {
	return g.word("ABC XM WH- SKU_ No. #") + g.number(9999) + g.some(2, g.of("/B", "-L", "(D)", ";v2", "_01", "'"))
}

func (g *generator) sentences(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(g.sentence() + g.end())
		if i+1 < n {
			b.WriteString(g.of("", " ", "\r\n", "　", "\r\n\r\n"))
		}
	}
	return b.String()
}

func (g *generator) review() string { return g.sentences(1+g.IntN(3)) + g.some(2, g.face()) }

func (g *generator) message() string {
	if g.IntN(8) == 0 {
		return g.english()
	}
	greet := g.of("お世話になります。", "はじめまして、"+g.word(surnames)+"です。", "いつもありがとうございます"+g.face(), "", "先日の件です；", "<お願い>", "【至急】", "件名："+g.quoted(g.noun())+"について\r\n", "> "+g.sentence()+"\r\n\r\n", "(注文番号："+g.order()+")\r\n")
	ask := g.of(
		"注文"+g.quoted(g.order())+"を"+g.of("キャンセル", "変更", "分割発送", "まとめて発送")+"できますか？", "サイズ"+g.size()+"の"+g.noun()+"("+g.colour()+")は在庫ありますか。", g.noun()+";"+g.noun()+";"+g.noun()+"を各1個ずつお願いします。",
		"届け先を"+g.address()+"に変更してください。", "電話は"+g.phone()+"へ。", "メールは"+g.mail()+"に返信ください。", "ページ("+g.link()+")が開きません。", "画面に"+g.quoted(g.fault())+"と出ます。", "クーポン"+g.quoted(g.coupon())+"が使えません。",
		"数量を"+g.number(3)+"→"+g.number(9)+"に変更、色は"+g.colour()+" or "+g.colour()+"で。", "領収書の宛名は"+g.quoted(g.company())+"でお願いします。", g.price()+"と"+g.price()+"の違いは？", "名入れ："+g.quoted(g.word(firsts)+" & "+g.word(firsts))+"／書体：筆記体", g.sentence()+"。どうすればいいですか？",
		g.noun()+"の"+g.of("右側", "ふた", "箱", "充電端子")+"が割れて(;_;)いました。写真→"+g.file()+"を添付します。", "日時："+g.number(12)+"/"+g.number(28)+"("+g.word("月 火 水 木 金 土 日")+") "+fmt.Sprint(9+g.IntN(10))+":00〜"+fmt.Sprint(19+g.IntN(3))+":00")
	return greet + ask + g.of("", "よろしくお願いします。", g.face(), "\r\n\r\n--\r\n"+g.name()+"\r\n"+g.phone(), "\r\n以上", "お手数ですが…"+g.face(), "\r\n==========\r\n"+g.company()+"\r\n==========")
}

func (g *generator) fault() string {
	return g.of("エラー:E-"+g.number(999), "500 Internal Server Error", "undefined", "null", "Error: "+g.code(), "NaN円", "404 Not Found", "セッションが切れました(code="+g.number(99)+")", "入力が不正です；"+g.number(9), "Array", "[object Object]", "Warning: "+g.word("session cookie price")+" is not defined", "在庫数<0", "&amp;", "%E3%82%BB", "{{name}}様")
}

func (g *generator) english() string {
	p := g.word("shirt mug coat table lamp tote notebook ring vase poster")
	return g.of("I'd like to return the "+p+"; it's too small.", "Can I change order "+g.order()+" from "+g.word("red black M")+" to "+g.word("blue L XL")+"?", "Where's my "+p+"? It's been "+g.number(20)+" days...", "Please select gift wrap & insert a card in the "+p+" box.", "Do you ship the "+p+" to the U.S. or Canada? (postage?)",
		"Please update my address, and drop the "+p+" at the back door.", "Is the "+p+" from the 'union' series in stock?", "I can't log in -- it says \"invalid password\" "+g.number(9)+" times.", "Could you delete the "+p+" from my order and add a table?", "The "+p+" I ordered on "+g.number(12)+"/"+g.number(28)+" hasn't shipped; what's wrong?", "5\" or 7\" "+p+"? And what's the price w/o tax?") + g.some(3, " Thanks! "+g.word(firsts)) + g.some(4, " :-)")
}

func (g *generator) order() string {
	return g.of("#", "No.", "注文番号", "") + fmt.Sprintf("202611%02d-%06d", 1+g.IntN(30), g.IntN(999999))
}

func (g *generator) note() string {
	return g.of("不在時は宅配BOX"+g.of("へ", "(#"+g.number(20)+")")+"; "+g.of("満杯なら管理人室", "隣の"+g.number(9)+"号室", "持ち戻り"), "のし："+g.quoted(g.word("御祝 内祝 寿 御礼 御中元"))+"／名入れ："+g.word(surnames)+"・"+g.word(surnames), "領収書(宛名:"+g.company()+"；但し:"+g.noun()+"代)",
		"配達前に電話→"+g.phone(), g.order()+" と同梱希望"+g.face(), "オートロック #"+g.number(9999)+g.of("*", "呼出", "→解除"), g.number(12)+"/"+g.number(28)+"("+g.word("月 水 金 土")+")必着"+g.end(), "置き配OK→"+g.of("玄関前", "自転車のカゴ", "ガスメーターBOX", "裏口/勝手口"), "アレルギー："+g.word("卵 乳 小麦 そば えび")+"<微量でも不可>",
		"値札を外す"+g.quoted("ギフト")+"用", "色違い("+g.colour()+"→"+g.colour()+")でも可", g.noun()+"は"+g.quoted(g.colour())+"、"+g.noun()+"は"+g.quoted(g.colour())+"で", "お釣り=0円／"+g.price()+"ちょうど", "平日は会社("+g.company()+")へ", g.word("午前中 夕方 夜間")+" or "+g.number(20)+"時以降", "ラッピング("+g.colour()+"リボン)+カード"+g.number(3)+"枚", "犬がいます∪･ω･∪ "+g.address(), g.sentence()+g.face())
}

func (g *generator) gift() string {
	from := g.of("\r\nFrom: ", "　", " - ", "〜", "\r\n") + g.of(g.word(given), g.word(firsts), g.word(surnames)+"家一同", g.word(given)+" & "+g.word(given))
	return g.of("Happy Birthday!", "お誕生日おめでとう", "Merry X'mas & A Happy New Year '27", "ありがとう", "祝♡"+g.word("ご出産 ご入学 ご結婚 還暦"), "いつも\"ありがとう\"", "I <3 YOU", "Congrats!! "+g.number(10)+"周年", "To: "+g.word(firsts)+"; with love", "生日快乐", "母の日♥", g.quoted("平常心"), "20XX年"+g.number(12)+"月"+g.number(28)+"日", g.word(given)+"（"+g.number(9)+"才）へ") + g.some(2, g.face()) + from
}

func (g *generator) coupon() string {
	return g.of(g.word("WINTER SALE X'MAS VIP NEW SUMMER 冬 夏 初売り LOVE BUY")+g.of("", "-", "_", "#", "&", "＋")+g.number(2026), g.number(90)+"%OFF", g.number(90)+"％オフ", "¥"+g.number(9)+"00OFF", g.number(3)+"+"+g.number(3)+"="+g.number(3), g.word("A B C D")+g.number(99999999), "<"+g.number(99)+">", g.price()+"引")
}

func (g *generator) link() string {
	host := g.of("https://shop.example", "https://www.example.co.jp", "http://blog.example.com", "https://item.example.jp", "www.example.net", "https://maps.example")
	return host + g.of("/products/detail/"+g.number(999), "/item/"+g.number(999999)+"?x="+g.number(9)+"&y="+g.number(9), "/?p="+g.number(999)+"#review", "/search?q="+g.noun()+"&sort=price_asc", "/wiki/"+g.noun()+"_("+g.colour()+")", "/"+g.noun()+"/"+g.colour()+".html", "/a;v="+g.number(9), "/?utm_source=line&utm_campaign="+g.number(2026)+"%2F11+%E3%82%BB", "/~taro/", "/@"+g.number(99)+".0,139.7", "/i/"+g.number(9999)+"?ref=(none)")
}

func (g *generator) file() string {
	return g.of("IMG_"+g.number(9999), g.noun()+"("+g.number(9)+")", "写真 "+g.number(9), "領収書_"+g.number(9999), "【入稿】"+g.company(), "screenshot-2026.11."+g.number(28), g.word(surnames)+"'s "+g.noun(), g.noun()+"＆"+g.noun(), g.code(), "コピー ～ "+g.noun(), "#"+g.number(99)+"%") + "." + g.word("jpg png HEIC pdf jpeg gif webp")
}

func (g *generator) html() string {
	in := g.product()
	body := g.of("<p>"+g.sentence()+"</p>", "<p>"+in+"<br>サイズ："+g.size()+"</p>", "<h2 class=\"ttl\">"+g.noun()+"</h2><p>"+g.sentence()+"</p>", "<ul><li>"+g.colour()+"</li><li>"+g.size()+"</li></ul>", "<table><tr><th>"+g.noun()+"</th><td>"+g.price()+"</td></tr></table>", "<img src=\"/html/upload/save_image/"+g.number(9999)+".jpg\" alt=\""+g.noun()+"\">",
		"<a href=\"/products/detail/"+g.number(99)+"\">"+g.noun()+"はこちら</a>", "<div style=\"color:#c00; text-align:center\">"+g.sentence()+"</div>", "<font color=\"red\">"+g.price()+"</font>", "<!-- "+g.noun()+" --><span class='price'>"+g.price()+"</span>", "<strong>"+g.noun()+"</strong> &amp; <em>"+g.noun()+"</em>", "<iframe src=\"https://www.youtube.com/embed/"+g.code()+"\" width=\"560\" height=\"315\" allowfullscreen></iframe>")
	return body + g.some(2, "\r\n"+g.of("<p>&nbsp;</p>", "<hr>", "<br />", "<p>"+g.sentence()+"</p>", "<div class=\"clearfix\"></div>"))
}

func (g *generator) cart() string {
	items := []map[string]any{}
	for range 1 + g.IntN(4) {
		items = append(items, map[string]any{"productId": g.IntN(9000), "name": g.product(), "price": 100 * (1 + g.IntN(200)), "qty": 1 + g.IntN(3), "options": map[string]string{"サイズ": g.size(), "色": g.colour()}})
	}
	doc := map[string]any{"items": items, "customer": map[string]string{"name": g.name(), "email": g.mail(), "phone": g.phone(), "address": g.address()}, "message": g.note(), "coupon": g.coupon(), "agree": true}
	return g.json(doc)
}

func (g *generator) json(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(g.IntN(2) == 0)
	if e.Encode(v) != nil {
		return "{}"
	}
	return strings.TrimSpace(b.String())
}

func (g *generator) graphql() string {
	query, vars := "query Search($input: SearchInput!) { search(input: $input) { totalItems items { productName slug } } }", map[string]any{"input": map[string]any{"term": g.search(), "take": 20}}
	if g.IntN(2) == 0 {
		query, vars = "mutation Address($input: CreateAddressInput!) { setOrderShippingAddress(input: $input) { __typename ... on ErrorResult { message } } }", map[string]any{"input": map[string]any{"fullName": g.name(), "streetLine1": g.address(), "phoneNumber": g.phone(), "countryCode": "JP"}}
	}
	return g.json(map[string]any{"query": query, "variables": vars})
}

func (g *generator) password() string {
	s := g.word("Sakura neko tokyo P@ss さくら hanako love union")
	return s + g.of("-", "_", "!", "'", "\"", ";", "<", "&", "|", "%", "$", "#", "=") + g.number(9999) + g.some(2, g.of("!", "?", ")", ">", "'", "\\", "}"))
}
