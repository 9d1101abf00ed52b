package console

import "noren"

// whyStopped says in a plain sentence what of an ordinary text a rule takes for an
// attack: by the family of the Core Rule Set (coreruleset.org/docs/3-about-rules/rules).
func whyStopped(rule int) noren.Text {
	if rule > 0 && rule <= noren.MaxOwnRule {
		return noren.Text{Ja: "お店が自分で足した規則に当てはまりました。", En: "A rule that the shop added itself is about it."}
	}
	sentences := map[int]noren.Text{
		913: {Ja: "弱点を探す道具の名前が入っていました。", En: "It has the name of a tool that looks for weaknesses."},
		920: {Ja: "送り方が、通信の決まりから外れていました。", En: "It was not sent the way the protocol says."},
		921: {Ja: "改行などの並びが、通信をごまかす書き方に似ていました。", En: "Line ends and the like look like a trick with the protocol."},
		922: {Ja: "ファイルの送り方が、二通りに読める形でした。", En: "An upload could be read in two ways."},
		930: {Ja: "「../」やファイルの場所のような書き方が、サーバーの中をのぞく仕掛けに似ていました。", En: "“../” or the place of a file looks like an attempt to read the server's own files."},
		931: {Ja: "よそのページのアドレスが、悪いファイルを読み込ませる仕掛けに似ていました。", En: "The address of another page looks like an attempt to load a file from there."},
		932: {Ja: "「;」「|」「$( )」などの記号と言葉の並びが、サーバーへの命令に似ていました。", En: "Signs such as ; | $( ) among words look like a command for the server."},
		933: {Ja: "書かれた言葉が、PHPのプログラムに似ていました。", En: "Words in it look like PHP code."},
		934: {Ja: "「{{ }}」などの書き方が、プログラムに似ていました。", En: "Something like {{ }} in it looks like code."},
		941: {Ja: "「< >」や「on…=」のような書き方が、ページに埋め込むプログラムに似ていました。", En: "Something like < > or on…= looks like a script for the page."},
		942: {Ja: "「'」「--」「;」などの記号や、select などの言葉の並びが、データベースへの命令に似ていました。", En: "Signs such as ' -- ; or words such as select look like a command for the database."},
		943: {Ja: "訪問の番号を外から決める書き方に似ていました。", En: "It looks like an attempt to choose somebody's session."},
		944: {Ja: "「${ }」などの書き方が、Javaのプログラムに似ていました。", En: "Something like ${ } looks like Java code."},
	}
	if t, ok := sentences[noren.RuleFamily(rule)]; ok {
		return t
	}
	return noren.Text{Ja: "書き方が、攻撃に似ていました。", En: "It looks like an attack."}
}
