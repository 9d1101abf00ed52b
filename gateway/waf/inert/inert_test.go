package inert

import "testing"

func TestInert(t *testing.T) {
	tests := []struct {
		kind, v string
		want    bool
	}{
		{"sql", "第3章のSQLインジェクション(' OR 1=1 など)の説明", true},
		{"sql", "ロゴの'&'が剥げた…", true},
		{"sql", "'&'", false},
		{"sql", "500円(10%引)→@9,600に値下げ笑:-)", true},
		{"sql", "select.50@docomo.example.ne.jp", true},
		{"sql", "\"神\"商品", true},
		{"sql", "(コート OR ジャケット) AND 赤", true},
		{"sql", "Tシャツに \"SELECT * FROM life WHERE happy = 1\" と入れられますか", true},
		{"sql", "サイトは\"select\"を押すだけ;", true},
		{"sql", "(中古)SELECT Tシャツ(黒)", true},
		{"sql", "\"限定\"SELECT ローラー {ベージュ}", true},
		{"sql", "if (you == happy) { me = happy; }", true},
		{"ended", "admin@shop.example';", false},
		{"ended", "あ'; id; '", false},
		{"ended", "色:黒;サイズ:10\";個数:14w", true},
		{"sql", "SELECT句、FROM句、WHERE句の順に1章ずつ。GROUP BYとHAVINGで挫折しました(笑)", true},
		{"sql", "1.グレー 2.W26*L35 3.ベビー服笑\r\n\r\nサイトは'select'を押すだけ…(*'▽'*)", true},
		{"sql", "子ども(4才&7才)が\"もう1個!\"と大喜び", true},
		{"sql", "100%満足☆ --- 珈琲豆 ---", true},

		{"ended", "#ポスター #ピンク♪色:FFF;サイズ:9\";個数:25^^写真(鍋);", true},
		{"sql", "&#12953;SELECT CD(生成り)", true},
		{"sql", "【至急】クーポン\"<69>\"が使えません。", true},
		{"sql", "\"限定\"SELECT CD(白)", true},
		{"sql", "ロゴの\"&\"が剥げた…\r\n友人のK's おすすめ！", true},
		{"sql", "ロゴの'&'が' or 1=1 -- あ", false},
		{"expression", "<平常心>\\(^o^)/\r\nfrom: 心愛", true},
		{"sql", "select from 3種類", true},
		{"sql", "あ' union select い from (select 1 as い) う -- ", false},
		{"list", "件名：*セーター*について\r\n日本酒;CD;包丁を各1個&#128522;", true},
		{"placeholder", "${商品名} と表示されました", true},
		{"expression", "あ<(id)", false},
		{"called", "御成システムズ(株)(担当:西村);但し:代)", true},
		{"called", "(system)(ls) あ", false},
		{"list", "> 絵本\r\nCD;Tシャツ;ネックレス", true},
		{"list", "お米;CD;ローラーを各1個ずつ", true},
		{"list", "お米;cd /tmp;id", false},

		{"sql", "あ' union select あ,2 from (select 1 as あ) t -- ", false},
		{"sql", "あ' or 1=1 #", false},
		{"sql", "あ' || (select 1) || 'い", false},
		{"sql", "あ'-1-'い", true},
		{"sql", "&#12953;drop table users", false},
		{"sql", "1&#12953;drop table users", false},
		{"sql", "あ' <> 'い' or 'a'='a", false},
		{"sql", "' or '1'='1", false},
		{"sql", "1 or 1=1", false},
		{"sql", "会社の' or contains(name,'adm') or ''='をお願いします", false},
		{"sql", "あ' union select 1,2,3 -- ", false},
		{"sql", "あ' union select 1 as あ,2 from users -- ", false},
		{"sql", "1;drop table users", false},
		{"sql", "あ'; drop table users --", false},
		{"sql", "1 and (select 1)=1", false},
		{"sql", "'; exec master..xp_cmdshell 'dir' --", false},
		{"sql", "x' waitfor delay '0:0:5' --", false},
		{"sql", "(select sleep(5))", false},
		{"sql", "name` desc, (select 1) -- ", false},
		{"sql", "あ\\' or 1=1 -- ", false},
		{"sql", "1/*!50000union*/select 1", false},
		{"sql", "-1'or'1", false},
		{"sql", "desc, if(1=1,sleep(1),0)", false},

		{"markup", "「<script>タグ入門」という本は在庫ありますか？", true},
		{"markup", "<script>タグやalert(1)のような例がたくさん…というレビューを見て購入。", true},
		{"markup", "画面に<[object Object]>と出ます。", true},
		{"markup", "<?xml からはじまる文字が画面に出ました", true},
		{"markup", "<script>あ=1;alert(1)</script>", false},
		{"markup", "<script>あ/*", true},
		{"markup", "<script>あ/*alert(1)", false},
		{"markup", "<svg onload=alert(1)>", false},
		{"markup", "\" onclick=alert(1) あ", false},
		{"markup", "alert(1)", false},

		{"graphql", "query P($input: SearchInput!) { search(input: $input) { total } }", true},
		{"graphql", `{"$where": "1"}`, false},
		{"filename", "Sara's photo.heic", true},
		{"filename", "a\"; filename=b.php", false},
		{"filename", "file=.txt", false},
		{"filename", "receipt 2026;11.pdf", true},
		{"filename", "\x95\x5c\x8e\x86.psd", true},
		{"filename", "\x95\x5c", false},
		{"path", "C:\\Windows\\System32\\drivers に入らないと言われます", true},
		{"path", "/etc/passwd", false},
		{"path", "会社/../../etc/passwd", false},
		{"command", "$ ls と打って出てくる画面の説明からあって初心者にやさしい", true},
		{"command", "$ ls;id あ", false},
		{"command", "<p>&nbsp;</p><p>&copy; 2026 山田商店&reg;</p>", true},
		{"command", "&copy a b", false},
		{"command", "$HOME/$USER", true},
		{"php", "<?php echo から始まる本は数あれど、これが一番。", true},
		{"php", "<?php system('id') あ", false},
		{"placeholder", "「${customer_name} 様」というメールが届きました。", true},
		{"placeholder", "${7*7}あ", false},
		{"placeholder", "cat${IFS}あ", false},
	}
	for _, tt := range tests {
		f, ok := Of(tt.kind)
		if !ok {
			t.Fatal(tt.kind)
		}
		if got := f(tt.v); got != tt.want {
			t.Errorf("%s %q: inert %v, want %v", tt.kind, tt.v, got, tt.want)
		}
	}
}
