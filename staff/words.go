package staff

import (
	"strings"

	"noren"
)

// ActText says what an action of noren.StaffAction was, for people; false for one
// that is not of this package.
func ActText(action string) (noren.Text, bool) {
	base, failed := strings.CutSuffix(action, actNotMadeMark)
	t, ok := actTexts()[base]
	if failed && ok {
		t.Ja, t.En = "保存できず、行われなかった: "+t.Ja, "not made, it could not be stored: "+t.En
	}
	return t, ok
}

func actTexts() map[string]noren.Text {
	return map[string]noren.Text{
		actOwnerLink: {Ja: "最初のオーナーのリンクを作成", En: "link for the first owner made"},
		actInvite:    {Ja: "招待リンクを作成", En: "invitation made"},
		actResetLink: {Ja: "再登録リンクを作成（紛失時の非常手段）", En: "link made by which somebody signs in anew (break-glass)"},
		actCancel:    {Ja: "リンクを取り消し", En: "link withdrawn"},
		actJoin:      {Ja: "リンクから参加", En: "joined by a link"},
		actReset:     {Ja: "パスワードと二段階認証を再登録、ほかのログインは終了", En: "password and second factor chosen anew, all other sessions ended"},
		actRole:      {Ja: "権限を変更", En: "role changed"},
		actRemove:    {Ja: "スタッフから外した", En: "person removed"},
		actEnd:       {Ja: "ログインを終了させた", En: "session ended"},
		actSignOut:   {Ja: "ログアウト", En: "signed out"},
		actPassword:  {Ja: "パスワードを変更", En: "password changed"},
		actFactor:    {Ja: "二段階認証を変更", En: "second factor changed"},
		actRecovery:  {Ja: "リカバリーコードを再発行", En: "new recovery codes made"},
		actReconfirm: {Ja: "二段階認証をもう一度確認", En: "second factor given again"},
	}
}

// SignInText says how a sign-in went, for people.
func SignInText(p *noren.StaffSignIn) noren.Text {
	if p.Success {
		switch p.Factor {
		case factorRecovery:
			return noren.Text{Ja: "リカバリーコードでログイン", En: "signed in with a recovery code"}
		case "link":
			return noren.Text{Ja: "リンクからログイン", En: "signed in by a link"}
		}
		return noren.Text{Ja: "ログイン", En: "signed in"}
	}
	switch p.Cause {
	case "unknown":
		return noren.Text{Ja: "ログイン失敗: 登録のないメールアドレス", En: "sign-in failed: nobody has this mail address"}
	case "wrong_password":
		return noren.Text{Ja: "ログイン失敗: パスワード違い", En: "sign-in failed: wrong password"}
	case "wrong_code":
		return noren.Text{Ja: "ログイン失敗: パスワードは正しいが、確認コードが違う", En: "sign-in failed: the password was right, the code was not"}
	case "too_many":
		return noren.Text{Ja: "ログイン失敗: 試しすぎのため照合せず", En: "sign-in refused: too many tries, nothing was compared"}
	case "not_stored":
		return noren.Text{Ja: "ログインできず: 保存できなかった", En: "not signed in: it could not be stored"}
	}
	return noren.Text{Ja: "ログイン失敗", En: "sign-in failed"}
}
