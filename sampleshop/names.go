package sampleshop

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Everybody here is invented. Numbers with 0000 are given to nobody, example.jp
// and example.com are reserved for examples, 見本町 is in no city.
const (
	familyNames = "佐藤/サトウ 鈴木/スズキ 高橋/タカハシ 田中/タナカ 渡辺/ワタナベ 伊藤/イトウ 山本/ヤマモト 中村/ナカムラ 小林/コバヤシ 加藤/カトウ 吉田/ヨシダ 山田/ヤマダ 佐々木/ササキ 山口/ヤマグチ 松本/マツモト 井上/イノウエ 木村/キムラ 林/ハヤシ 斎藤/サイトウ 清水/シミズ 山崎/ヤマザキ 森/モリ 池田/イケダ 橋本/ハシモト 阿部/アベ 石川/イシカワ 山下/ヤマシタ 中島/ナカジマ 前田/マエダ 藤田/フジタ 小川/オガワ 後藤/ゴトウ 岡田/オカダ 長谷川/ハセガワ 村上/ムラカミ 近藤/コンドウ 石井/イシイ 髙﨑/タカサキ 渡邊/ワタナベ 齋藤/サイトウ 辻󠄀/ツジ 神保/ジンボ 御手洗/ミタライ 五十嵐/イガラシ 小鳥遊/タカナシ 𠮷野/ヨシノ 邉見/ヘンミ 濵田/ハマダ"
	givenNames  = "花子/ハナコ 太郎/タロウ 陽葵/ヒマリ 蓮/レン 凛/リン 湊/ミナト 結菜/ユイナ 大翔/ヒロト 美咲/ミサキ 悠真/ユウマ さくら/サクラ 樹/イツキ 葵/アオイ 健一/ケンイチ 恵子/ケイコ 誠/マコト 由美子/ユミコ 浩/ヒロシ 久美子/クミコ 翔太/ショウタ 真由美/マユミ 拓海/タクミ 千尋/チヒロ 直樹/ナオキ 明日香/アスカ 隆/タカシ 幸子/サチコ 一郎/イチロウ のぞみ/ノゾミ 瑛太/エイタ 茜/アカネ 修/オサム"
	places      = "060-0000/北海道/札幌市中央区見本 980-0000/宮城県/仙台市青葉区見本町 330-0000/埼玉県/さいたま市大宮区見本町 260-0000/千葉県/千葉市中央区見本 100-0000/東京都/千代田区見本町 150-0000/東京都/渋谷区見本町 180-0000/東京都/武蔵野市見本町 220-0000/神奈川県/横浜市西区見本町 950-0000/新潟県/新潟市中央区見本町 920-0000/石川県/金沢市見本町 390-0000/長野県/松本市見本 420-0000/静岡県/静岡市葵区見本町 460-0000/愛知県/名古屋市中区見本 320-0000/栃木県/宇都宮市見本町 604-0000/京都府/京都市中京区見本町 530-0000/大阪府/大阪市北区見本 650-0000/兵庫県/神戸市中央区見本町 630-0000/奈良県/奈良市見本町 730-0000/広島県/広島市中区見本町 760-0000/香川県/高松市見本町 810-0000/福岡県/福岡市中央区見本 860-0000/熊本県/熊本市中央区見本町 900-0000/沖縄県/那覇市見本"
	buildings   = "のれんハイツ メゾン暖簾 サンプルビル３Ｆ コーポ・ひかり グランド見本 パークサイドＡ棟 茶屋荘"
)

// Person is an invented customer with the password of the seed.
type Person struct {
	Name, Kana, Postal, Prefecture, Address, Phone, Mail, Password string
}

// People invents n customers. The same seed gives the same people, so that
// players of a lab can sign in as members without asking the shop.
func People(seed uint64, n int) []Person {
	out := make([]Person, n)
	for i := range out {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		out[i] = person(r, i)
		out[i].Password = seedSecret(seed, out[i].Mail)
	}
	return out
}

func person(r *rand.Rand, i int) Person {
	family, familyKana := pair(r, familyNames)
	given, givenKana := pair(r, givenNames)
	place := strings.Split(pick(r, places), "/")
	p := Person{
		Name: family + " " + given, Kana: familyKana + " " + givenKana,
		Postal: place[0], Prefecture: place[1],
		Address: fmt.Sprintf("%s%d-%d-%d", place[2], 1+r.IntN(9), 1+r.IntN(30), 1+r.IntN(30)),
		Phone:   fmt.Sprintf("0%d0-0000-%04d", 7+r.IntN(3), r.IntN(10000)),
		Mail:    fmt.Sprintf("member%04d@%s", i+1, []string{"example.jp", "example.com", "mail.example.jp"}[r.IntN(3)]),
	}
	if r.IntN(2) == 0 {
		p.Address += fmt.Sprintf(" %s%d号室", pick(r, buildings), 101+r.IntN(800))
	}
	return p
}

func pick(r *rand.Rand, list string) string {
	fields := strings.Fields(list)
	return fields[r.IntN(len(fields))]
}

func pair(r *rand.Rand, list string) (string, string) {
	a, b, _ := strings.Cut(pick(r, list), "/")
	return a, b
}
