package grade

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"noren"
)

// Each of these gives the reason and the mend, in the shopkeeper's words.

func pair(reasonJa, reasonEn, mendJa, mendEn string) [2]noren.Text {
	return [2]noren.Text{{Ja: reasonJa, En: reasonEn}, {Ja: mendJa, En: mendEn}}
}

// whoMends is how a certificate is renewed, by the way it is kept.
func whoMends(acme bool) (ja, en string) {
	if acme {
		return "自動更新が続けて失敗しています。記録（ログ）の alarm の行に理由と次の一手があります。",
			"The automatic renewal keeps failing. The alarm lines of the log name the reason and the next step."
	}
	return "証明書を更新し、同じ場所のファイルを置き換えてください。Noren は再起動なしで読み直します。",
		"Renew the certificate and replace the files in place. Noren reads them again without a restart."
}

func textNone(acme bool) [2]noren.Text {
	if acme {
		return pair("証明書をまだ取得できていないため、https では開けません。", "There is no certificate yet, so the shop does not open by https.",
			"DNS がこの機械を指し、80番か443番へ外から届くかをお確かめください。記録の alarm の行に理由があります。",
			"See that the DNS leads to this machine and that port 80 or 443 can be reached from outside. The alarm lines of the log name the reason.")
	}
	return pair("この名前の証明書がないため、https では開けません。", "There is no certificate for this name, so it does not open by https.",
		"tls に cert と key を書くか、tls: {acme: true} で自動取得にしてください。", "Give tls a cert and key, or let Noren obtain one with tls: {acme: true}.")
}

func textHost(host string, leaf *x509.Certificate) [2]noren.Text {
	has := strings.Join(leaf.DNSNames, ", ")
	return pair(
		fmt.Sprintf("証明書に %s の名前が入っていません（入っているのは %s）。お客様には警告が出ます。", host, has),
		fmt.Sprintf("The certificate does not name %s (it names %s). Visitors see a warning.", host, has),
		"サイトのすべての名前を入れた証明書を取り直してください。", "Get a certificate that names every host of the site.")
}

func textEarly(from time.Time) [2]noren.Text {
	d := from.Format(time.DateOnly)
	return pair("証明書がまだ有効ではありません（"+d+" から）。", "The certificate is not valid yet (from "+d+").",
		"この機械の時計が合っているかをお確かめください。", "See that the clock of this machine is right.")
}

func textExpired(acme bool, at time.Time) [2]noren.Text {
	ja, en := whoMends(acme)
	d := at.Format(time.DateOnly)
	return pair("証明書の期限が "+d+" に切れています。お客様はお店を開けません。", "The certificate expired on "+d+". Visitors cannot open the shop.", ja, en)
}

func textExpiring(acme bool, days int) [2]noren.Text {
	ja, en := whoMends(acme)
	return pair(fmt.Sprintf("証明書の期限まであと%d日です。", days), fmt.Sprintf("The certificate ends in %d days.", days), ja, en)
}

func textKey(weak string) [2]noren.Text {
	return pair("証明書の鍵または署名が弱く（"+weak+"）、偽造されるおそれがあります。", "The certificate's key or signature is weak ("+weak+") and could be forged.",
		"RSA 2048ビット以上または ECDSA P-256 の鍵で取り直してください。", "Get a new one with a key of RSA 2048 bit or more, or ECDSA P-256.")
}

func textSelfSigned() [2]noren.Text {
	return pair("自分で署名した証明書です。お客様のブラウザーは警告を出します。", "The certificate is signed by itself. Visitors' browsers warn.",
		"認証局の証明書に替えてください。tls: {acme: true} なら無料で自動取得できます。", "Use one of a certificate authority; tls: {acme: true} obtains one without charge.")
}

func textChain(issuer string) [2]noren.Text {
	return pair("中間証明書（"+issuer+"）が入っていません。スマートフォンや決済会社の機械からは接続できないことがあります。",
		"The intermediate certificate ("+issuer+") is missing. Phones and payment companies' machines may not connect.",
		"cert のファイルに、サイトの証明書に続けて中間証明書を入れてください（fullchain.pem）。", "Put the intermediate behind the site's certificate in the file of cert (fullchain.pem).")
}

func textAuthority(issuer string) [2]noren.Text {
	return pair("発行元（"+issuer+"）を、この機械は信頼できる認証局として知りません。", "This machine does not know the authority ("+issuer+") as one to trust.",
		"試験用や社内の認証局なら、お客様向けには公の認証局の証明書に替えてください。公の認証局なら ca-certificates を新しくしてください。",
		"If it is a test or in-house authority, use a public one for visitors. If it is public, update this machine's ca-certificates.")
}

func textBroken(err error) [2]noren.Text {
	return pair("証明書のつながりを確かめられません（"+err.Error()+"）。", "The chain of the certificate does not hold ("+err.Error()+").",
		"認証局から受け取ったファイルを順番どおりに入れ直してください。", "Put in the files as the authority gave them, in their order.")
}

func textOldVersion(old string) [2]noren.Text {
	return pair("古い方式（"+old+"）での接続を受け入れています。", "Old versions ("+old+") are accepted.",
		"前段のプロキシーやCDNの設定で TLS 1.2 以上だけにしてください。Noren 自身は 1.2 未満を受け入れません。", "Allow TLS 1.2 and newer only, in the proxy or CDN in front; Noren itself accepts nothing older.")
}

func textNoTLS13() [2]noren.Text {
	return pair("TLS 1.3 で接続できません。", "TLS 1.3 is not spoken.", "前段のプロキシーやCDNで TLS 1.3 を有効にしてください。", "Switch TLS 1.3 on in the proxy or CDN in front.")
}

func textCipher(weak string) [2]noren.Text {
	return pair("弱い暗号（"+weak+"）を受け入れています。", "Weak ciphers ("+weak+") are accepted.",
		"前段のプロキシーやCDNの暗号設定を見直してください。", "Look at the cipher settings of the proxy or CDN in front.")
}

func textNoHSTS() [2]noren.Text {
	return pair("HSTS がないため、最初の接続が http になり、盗み見や改ざんの余地が残ります。", "There is no HSTS, so a first visit may be by http, where it can be read and changed.",
		"headers: {hsts: {since: 今日の日付}} を書いてください。期間は5分から1年へ、1か月かけて自動で延びます。", "Write headers: {hsts: {since: today's date}}. It grows from five minutes to a year over a month by itself.")
}

func textNoRedirect() [2]noren.Text {
	return pair("http で開いたお客様が https へ移りません。", "Visitors who come by http stay there.", "https_only: true を書いてください。", "Write https_only: true.")
}
