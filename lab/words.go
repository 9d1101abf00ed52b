package lab

import (
	"fmt"
	"math/rand/v2"

	"noren/sampleshop"
)

// What people type into Japanese shops, hard characters included: names with
// variants and half-width kana, brackets, apostrophes, semicolons, kaomoji.

func searchWords() []string {
	return []string{
		"急須", "急須 赤", "常滑急須（赤）", "玉露", "宇治 玉露", "ほうじ茶「囲炉裏」", "抹茶碗 天目①", "湯呑み/大・小", "お皿", "メーカー/価格",
		"プレゼント 5,000円以下", "100g", "ギフト&セット", "母の日★ギフト", "【限定】", "鉄瓶 1.2L", "和紅茶 ティーバッグ", "ﾏｸﾞｶｯﾌﾟ", "茶筅 80本",
		"内祝い のし 名入れ", "耐熱 電子レンジ可？", "50%OFF", "select gift", "赤;黒", "it's tea time",
	}
}

func notes() []string {
	return []string{
		"", "", "", "",
		"のし紙「御祝」、名入れは「髙﨑」でお願いします。",
		"メッセージカードに Happy Birthday! It's for you♪ とお書きください",
		"割れ物なので、二重に包んでください m(_ _)m",
		"平日は不在です; 土日の午前中にお願いします。",
		"領収書の宛名：（株）見本商店 & 見本食品　※但し書き「お茶代として」",
		"玄関先に置いてください (´・ω・`)ﾉ よろしくです",
		"前回の注文番号：ND-000123 と同じ住所です",
		"包装紙は赤<白の順で希望です＼(^o^)／",
		"5個中2個は別の袋に入れてください。合計10,000円=送料無料ですよね？",
		"'御礼' の短冊を付けてください。",
	}
}

func subjects() []string {
	return []string{"名入れについて", "在庫はありますか？", "【お願い】請求書払い", "返品・交換のご相談", "急須の茶こしだけ買えますか"}
}

func questions() []string {
	return []string{
		"はじめまして。常滑急須（赤）の茶こしだけ購入できますか？\nメーカー/型番を教えてください。よろしくお願いします。",
		"贈り物に使いたいのですが、のし・名入れは無料でしょうか？\n・個数：10個\n・納期：12/20まで\n・予算：1個3,000円以下",
		"先日届いた湯呑みが割れていました(T_T) 写真を送ればよいですか？",
		"カラー/サイズの表がずれて見えます。Windows 11 + Chromeです。<br>と表示されます。",
		"海外(アメリカ)への発送は可能ですか? Do you ship to the US? I'd like 2 sets; thanks & regards.",
		"領収書を「(有)見本堂」で再発行してください。TEL:090-0000-1234／FAX:なし",
	}
}

// strangeNames are what real customers are called and how they type it.
func strangeNames() [][2]string {
	return [][2]string{
		{"髙﨑 ①子", "タカサキ アイコ"}, {"ﾔﾏﾀﾞ ﾊﾅｺ", "ﾔﾏﾀﾞ ﾊﾅｺ"}, {"辻󠄀 一郎", "ツジ イチロウ"}, {"𠮷野（旧姓：渡邉）", "ヨシノ ミホ"},
		{"O'Connor 恵", "オコナー メグミ"}, {"佐々木　希々", "ササキ　ノノ"}, {"森﨑・グエン", "モリサキ・グエン"}, {"㈱見本商店 御中", "ミホンショウテン"},
	}
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// person invents a buyer who is no member yet.
func person(r *rand.Rand, seed uint64, n int) sampleshop.Person {
	p := sampleshop.People(seed^r.Uint64(), 1)[0]
	p.Mail = fmt.Sprintf("buyer%d-%d+shop@example.jp", seed%1_000_000, n)
	if r.IntN(3) == 0 {
		name := pick(r, strangeNames())
		p.Name, p.Kana = name[0], name[1]
	}
	return p
}

// mistype leaves out or doubles a letter, as fingers do.
func mistype(r *rand.Rand, s string) string {
	i := r.IntN(len(s))
	if r.IntN(2) == 0 {
		return s[:i] + s[i+1:]
	}
	return s[:i] + s[i:i+1] + s[i:]
}
