package main

import (
	"strings"

	"noren"
	"noren/notify"
)

// tellRow says what people are told of one alarm: how soon they should know, in
// which words, and what to do. Alarms with the same key, site and values of per
// are one trouble.
type tellRow struct {
	says     string // the line in the log
	key      string
	severity notify.Severity
	title    noren.Text
	next     noren.Text
	per      []string // values that tell troubles apart
	show     []string // values people need; never an error's own words
}

// tellTable is what is told, and with which severity. What is not in it is told as
// well, in the log's words (see notice): a new alarm is never silent.
func tellTable() []tellRow {
	const low, middle, high = notify.Low, notify.Middle, notify.High
	text := func(ja, en string) noren.Text { return noren.Text{Ja: ja, En: en} }
	shop := text("お店のサーバーが動いているか確認し、止まっていれば起動してください。制作会社やサーバー会社に連絡するときは、この番号を伝えてください。",
		"See whether the shop's server runs and start it; give this number to whoever looks after it.")
	disk := text("サーバーの空き容量と、データベースが動いているかを確認してください（docs/operate/failures.md）。お店の表示は続いています。",
		"Look at free disk space and whether the database runs (docs/operate/failures.md). The shop is still served.")
	cert := text("証明書の更新を確認してください（docs/operate/tls.md）。期限が過ぎると、お客様のブラウザに警告が出ます。",
		"Look at the renewal of the certificate (docs/operate/tls.md). Once it has ended, browsers warn your customers.")
	clock := text("サーバーの時計を合わせてください（timedatectl）。", "Set the machine's clock right (timedatectl).")
	report := text("お店は守られています。繰り返すときは、この番号をつけて開発元に知らせてください。", "The shop stays protected. If it comes again, report it with this number.")
	return []tellRow{
		{"no server of the shop can be reached; visitors see the standby page", "shop-down", high, text("お店が表示できません。お客様には案内ページが出ています", "The shop cannot be reached; visitors see the standby page"), shop, nil, []string{"server", "cause"}},
		{"a server of the shop is down", "server-down", middle, text("お店のサーバーの 1 台が止まっています", "One server of the shop is down"), shop, []string{"server"}, []string{"server", "cause"}},
		{"a server of the shop is unwell", "server-unwell", middle, text("お店のサーバーの 1 台が不調です", "One server of the shop is unwell"), shop, []string{"server"}, []string{"server", "cause"}},
		{"a server of the shop is well again", "server-well", low, text("お店のサーバーが元に戻りました", "A server of the shop is well again"), text("何もする必要はありません。", "Nothing."), []string{"server"}, []string{"server"}},
		{"shop does not answer", "shop-silent", middle, text("お店が応答しないことがありました", "The shop did not answer a visitor"), shop, nil, []string{"upstream", "ticket"}},

		{"database", "database-away", high, text("Noren のデータベースが使えません", "Noren's database cannot be used"), disk, nil, nil},
		{"database away: journal entries go to the spool", "database-away", high, text("Noren のデータベースが使えません", "Noren's database cannot be used"), disk, nil, nil},
		{"database answers again: draining the spool", "database-back", low, text("データベースが元に戻りました", "The database answers again"), text("何もする必要はありません。", "Nothing."), nil, nil},
		{"spool drained: its journal entries are in the database", "spool-drained", low, text("たまっていた記録をすべてデータベースに書き込みました", "All waiting entries of the record are in the database"), text("何もする必要はありません。", "Nothing."), nil, nil},
		{"spool is full: journal refuses entries", "spool-full", high, text("記録を書き込む場所がありません。ログインと注文が止まることがあります", "The record has no room left; sign-ins and orders may stop"), disk, nil, []string{"file"}},
		{"journal entries wait in memory: neither database nor spool takes them", "record-in-memory", high, text("記録が書き込めず、メモリにたまっています", "The record cannot be written and waits in memory"), disk, nil, []string{"records"}},
		{"journal refuses to append to a log that was tampered with", "record-tampered", high, text("記録が書き換えられた疑いがあります", "The record seems to have been tampered with"),
			text("誰かがデータベースを直接変更していないか確認し、サーバーをそのまま保存して専門家に相談してください。noren journal verify が場所を示します。", "Find out who changed the database, keep the machine as it is and ask for help; noren journal verify shows the place."), nil, nil},
		{"checkpoint failed", "checkpoint-failed", middle, text("記録の証明（チェックポイント）が作れません", "No checkpoint of the record can be made"), text("noren journal verify を実行してください。", "Run noren journal verify."), nil, nil},
		{"checkpoint did not leave the machine", "checkpoint-kept", middle, text("記録の証明を外部に送れません", "Checkpoints of the record do not leave the machine"), text("送り先（journal.checkpoint_to）を確認してください。", "Look at where they go (journal.checkpoint_to)."), []string{"sink"}, []string{"sink"}},

		{"under attack: visitors pass the check", "attack-mode", middle, text("攻撃を受けているため、確認ページを自動で出しています", "Under attack: Noren switched the check on by itself"),
			text("買い物は続けられます。落ち着くと自動で戻ります。続くときは noren mode で確認してください。", "Customers can go on buying, and it ends by itself. If it lasts, look with noren mode."), nil, []string{"until"}},
		{"under attack and the mode cannot be switched", "attack-mode-stuck", high, text("攻撃を受けていますが、確認ページを出せません", "Under attack, and the check cannot be switched on"), text("noren mode attack で切り替えてください。", "Switch it by hand: noren mode attack."), nil, nil},
		{"connections are refused at the door", "connections-full", middle, text("接続が多すぎるため、一部を断っています", "There are so many connections that some are refused"), text("多くは攻撃です。お客様から連絡があれば docs/operate/visitors.md をご覧ください。", "Mostly an attack; if customers call, see docs/operate/visitors.md."), nil, []string{"reason"}},
		{"firewall failed", "firewall-failed", high, text("攻撃の検査（WAF）が動いていません", "The firewall does not inspect"), report, nil, []string{"zone"}},
		{"gateway panicked", "gateway-panicked", middle, text("Noren の中で予期しない誤りがありました", "An unexpected fault inside Noren"), report, nil, []string{"zone"}},
		{"decision panicked", "decision-panicked", middle, text("Noren の判定で予期しない誤りがありました", "An unexpected fault in a decision of Noren"), report, nil, []string{"kind"}},
		{"something that must be hidden can be reached from outside", "exposed", high, text("外から見えてはいけないものが、外から見えています", "Something that must be hidden can be reached from outside"),
			text("noren check --exposure で場所と直し方を確認してください。", "noren check --exposure shows it and how to close it."), []string{"service", "at"}, []string{"service", "at"}},
		{"access rules are opened by hand", "opened-by-hand", middle, text("管理画面の入場制限が手で開けられました", "The rules who may enter were opened by hand"), text("心当たりがなければ、noren place list で確認し、閉じてください。", "If that was none of you, look with noren place list and close it."), nil, []string{"zones", "until", "by"}},
		{"a change was not confirmed in time", "change-returned", middle, text("変更が確認されなかったため、元に戻しました", "A change was not confirmed in time and was taken back"), text("必要な変更であれば、もう一度行って noren settings confirm で確定してください。", "If it is wanted, make it again and confirm it: noren settings confirm."), nil, []string{"kind"}},
		{"new configuration not used; the running one stays", "configuration-refused", middle, text("新しい設定ファイルに誤りがあり、前の設定で動いています", "The new configuration is wrong; the old one stays in force"), text("noren check が行を示します。", "noren check shows the line."), nil, nil},
		{"new settings not used; the running ones stay", "settings-refused", middle, text("新しい設定に誤りがあり、前の設定で動いています", "The new settings are wrong; the old ones stay in force"), text("noren check が行を示します。", "noren check shows the line."), nil, nil},

		{"no certificate from the authority", "certificate-refused", middle, text("証明書を取得できません", "The authority gives no certificate"), cert, []string{"host"}, []string{"host", "retry"}},
		{"changed certificate cannot be used; the old one stays", "certificate-unusable", middle, text("新しい証明書が使えず、前のものを使っています", "A changed certificate cannot be used; the old one stays"), cert, nil, nil},
		{"the clock of this machine jumped; check its time service (timedatectl)", "clock-jumped", middle, text("サーバーの時計が飛びました", "The machine's clock jumped"), clock, nil, []string{"step"}},
		{"the clocks of two nodes are apart; check the time service of both (timedatectl)", "clocks-apart", middle, text("2 台のサーバーの時計がずれています", "The clocks of two nodes are apart"), clock, nil, []string{"ahead", "than"}},
		{"shared state is away; this node enforces its share of every limit alone", "valkey-away", middle, text("Valkey / Redis が使えません。1 台ごとに制限を続けています", "Valkey or Redis is away; each node enforces its share"), text("Valkey / Redis が動いているか確認してください。", "See whether Valkey or Redis runs."), nil, nil},
		{"shared state is back", "valkey-back", low, text("Valkey / Redis が元に戻りました", "Valkey or Redis is back"), text("何もする必要はありません。", "Nothing."), nil, nil},
		{"access log cannot be written; requests are served on", "accesslog-stuck", middle, text("アクセスログが書き込めません", "The access log cannot be written"), disk, nil, nil},
		{"a web server of yours passes visitors on and is not in trusted_proxies: all of them look like one", "proxy-untrusted", middle, text("前段のサーバーが信頼済みに入っておらず、お客様が全員同じに見えています", "A web server of yours is not in trusted_proxies; all visitors look like one"),
			text("noren.yaml の trusted_proxies に、そのサーバーのアドレスを加えてください。", "Add its address to trusted_proxies in noren.yaml."), nil, []string{"proxy"}},
		{"journal slower than the deadline", "record-slow", low, text("記録の書き込みが遅くなっています", "The record is written slowly"), text("続くときは、サーバーの空き容量と負荷を確認してください。", "If it lasts, look at the machine's disk and load."), nil, nil},
		{"people of a site cannot be told", "nobody-reached", middle, text("知らせを届ける方法が、まだ設定されていません", "The way to the people who should be told is not set up yet"), text("noren.yaml に mail: を書くと届くようになります（docs/operate/notify.md）。", "Add mail: to noren.yaml (docs/operate/notify.md)."), nil, nil},
		{"a way to people cannot be used; its messages wait", "way-broken", middle, text("お知らせを送る方法の 1 つが使えません", "One way to reach people cannot be used"), text("noren check が原因を示します。", "noren check says why."), nil, nil},
	}
}

// notice is what people are told of an alarm.
func (a *alarm) notice(node string) notify.Notice {
	n := notify.Notice{Site: a.site(), At: a.at}
	switch {
	case a.attrs["policy"] != "" && a.attrs["event"] != "":
		a.ofPolicy(&n)
	case a.attrs["grade"] != "":
		a.ofCertificate(&n)
	default:
		a.ofTable(&n)
	}
	if n.Site == "" && node != "" {
		n.Text = both(n.Text, "サーバー "+node, "node "+node)
	}
	return n
}

func (a *alarm) site() string {
	if s := a.attrs["site"]; noren.ValidName(s) {
		return s
	}
	return ""
}

// ofPolicy tells of a policy with alarm: what it says is written for people
// already. Of the visitor only the network is told.
func (a *alarm) ofPolicy(n *notify.Notice) {
	n.Severity = notify.Middle
	if a.attrs["severity"] == string(noren.AlarmCritical) {
		n.Severity = notify.High
	}
	n.Key = "policy-" + slug(a.attrs["policy"])
	n.Title = noren.Text{Ja: a.attrs["ja"], En: a.says}
	net := notify.ShortAddress(a.attrs["address"])
	n.Text = noren.Text{
		Ja: "方針 " + a.attrs["policy"] + "\n場所 " + a.attrs["zone"] + "\n相手 " + net + "\nできごと " + a.attrs["event"],
		En: "policy " + a.attrs["policy"] + "\nzone " + a.attrs["zone"] + "\nfrom " + net + "\nevent " + a.attrs["event"],
	}
	n.Next = noren.Text{
		Ja: "Noren が止めた内容と理由を確認してください（noren journal show）。",
		En: "See what Noren stopped and why (noren journal show).",
	}
}

// ofCertificate tells what the grade of a site's TLS found.
func (a *alarm) ofCertificate(n *notify.Notice) {
	n.Severity = notify.Middle
	if a.attrs["grade"] == "F" {
		n.Severity = notify.High
	}
	n.Key = "certificate-" + slug(a.attrs["host"])
	n.Title = noren.Text{Ja: "証明書に問題があります: " + a.attrs["host"], En: a.says}
	n.Text = noren.Text{Ja: a.says, En: "host " + a.attrs["host"]}
	n.Next = noren.Text{Ja: "noren check で詳しい直し方を確認してください（docs/operate/tls.md）。", En: a.attrs["hint"]}
}

func (a *alarm) ofTable(n *notify.Notice) {
	for _, row := range tellTable() {
		if row.says != a.says {
			continue
		}
		n.Severity, n.Key, n.Title, n.Next = row.severity, row.key, row.title, row.next
		for _, p := range row.per {
			n.Key += "-" + slug(a.attrs[p])
		}
		n.Text = a.values(row.show)
		return
	}
	n.Severity, n.Key = notify.Middle, "alarm-"+slug(a.says)
	n.Title = noren.Text{Ja: "Noren からの警報: " + a.says, En: a.says}
	n.Next = noren.Text{Ja: "サーバーのログで alarm=true の行を確認してください（docs/operate/failures.md）。", En: "Look at the line with alarm=true in the log (docs/operate/failures.md)."}
	if hint := a.attrs["hint"]; hint != "" {
		n.Next = both(n.Next, hint, hint)
	}
}

// values are lines of what was asked for and is there.
func (a *alarm) values(names []string) (t noren.Text) {
	for _, name := range names {
		if v := a.attrs[name]; v != "" {
			t = both(t, valueWord(name)+": "+v, name+": "+v)
		}
	}
	return t
}

// valueWord is what a shopkeeper calls a value.
func valueWord(name string) string {
	words := map[string]string{
		"server": "サーバー", "upstream": "サーバー", "cause": "原因", "ticket": "お客様に出た番号", "host": "ホスト名", "until": "いつまで", "zone": "場所", "zones": "場所",
		"service": "サービス", "at": "場所", "by": "だれが", "file": "ファイル", "records": "件数", "reason": "理由", "retry": "次に試すまで", "step": "ずれ", "ahead": "ずれ",
		"than": "相手のサーバー", "sink": "送り先", "kind": "種類", "proxy": "サーバーのアドレス",
	}
	if w := words[name]; w != "" {
		return w
	}
	return name
}

// both adds a line in each language.
func both(t noren.Text, ja, en string) noren.Text {
	return noren.Text{Ja: strings.TrimSpace(t.Ja + "\n" + ja), En: strings.TrimSpace(t.En + "\n" + en)}
}

// slug makes part of a key of any text: short, lower-case letters and digits.
func slug(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s[:min(len(s), 200)]) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 60 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}
