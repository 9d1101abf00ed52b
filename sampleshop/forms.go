package sampleshop

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// faults are what a visitor must mend in a form, as sentences.
type faults []string

func (f *faults) add(sentence string) { *f = append(*f, sentence) }

// text asks for a value of 1 to most characters.
func (f *faults) text(label, v string, most int) {
	if v == "" {
		f.add(label + "をご入力ください。")
		return
	}
	f.optional(label, v, most)
}

func (f *faults) optional(label, v string, most int) {
	if utf8.RuneCountInString(v) > most {
		f.add(label + "は" + strconv.Itoa(most) + "文字以内でご入力ください。")
	}
	if strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
		f.add(label + "に使えない文字があります。")
	}
}

func (f *faults) match(label, v string, form *regexp.Regexp, example string) {
	if !form.MatchString(v) {
		f.add(label + "は " + example + " のようにご入力ください。")
	}
}

var (
	mailForm   = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}$`)
	postalForm = regexp.MustCompile(`^[0-9]{3}-?[0-9]{4}$`)
	phoneForm  = regexp.MustCompile(`^0[0-9-]{8,13}[0-9]$`)
	kanaForm   = regexp.MustCompile(`^[\p{Katakana}\p{Hiragana}ー－・　 ｰﾞﾟ･-]{1,100}$`)
)

// party is who an order goes to, or a member.
type party struct {
	Name, Kana, Postal, Prefecture, Address, Phone, Mail string
}

func (s *Shop) party(r *http.Request) party {
	return party{
		Name: s.value(r, "name"), Kana: s.value(r, "kana"), Postal: s.number(r, "postal"), Prefecture: s.value(r, "prefecture"),
		Address: s.value(r, "address"), Phone: s.number(r, "phone"), Mail: s.value(r, "mail"),
	}
}

func (p party) check(f *faults) {
	f.text("お名前", p.Name, 100)
	f.match("フリガナ", p.Kana, kanaForm, "ヤマダ ハナコ")
	f.match("郵便番号", p.Postal, postalForm, "604-8001")
	if !knownPrefecture(p.Prefecture) {
		f.add("都道府県をお選びください。")
	}
	f.text("ご住所", p.Address, 300)
	f.match("お電話番号", p.Phone, phoneForm, "090-0000-1234")
	f.match("メールアドレス", p.Mail, mailForm, "hanako@example.jp")
}

const prefectureList = "北海道 青森県 岩手県 宮城県 秋田県 山形県 福島県 茨城県 栃木県 群馬県 埼玉県 千葉県 東京都 神奈川県 新潟県 富山県 石川県 福井県 山梨県 長野県 岐阜県 静岡県 愛知県 三重県 滋賀県 京都府 大阪府 兵庫県 奈良県 和歌山県 鳥取県 島根県 岡山県 広島県 山口県 徳島県 香川県 愛媛県 高知県 福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県"

func prefectures() []string { return strings.Fields(prefectureList) }

func knownPrefecture(p string) bool {
	return p != "" && !strings.Contains(p, " ") && strings.Contains(" "+prefectureList+" ", " "+p+" ")
}
