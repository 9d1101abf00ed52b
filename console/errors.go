package console

import (
	"errors"
	"net/http"
	"strings"

	"noren"
)

// mistake is something the person typed that can be mended on the spot. Its
// words are for them.
type mistake struct {
	field string
	text  noren.Text
}

func (m *mistake) Error() string { return m.field + ": " + m.text.En }

// wrong says what is wrong with a field, in words for the person who filled it.
func wrong(field, ja, en string) error {
	return &mistake{field: field, text: noren.Text{Ja: ja, En: en}}
}

// mistakeIn returns the mistake in err, nil when it is an error of another kind.
func mistakeIn(err error) *mistake {
	m, _ := errors.AsType[*mistake](err)
	return m
}

// trouble is the page of something that went wrong.
type trouble struct {
	Title, Text, Next noren.Text
	Ticket            string
	Detail            string // for the people of the shop, not for outsiders
	Back              string
}

// fail answers with what went wrong, in words, and a number that the log knows.
func (v *visit) fail(err error) {
	err = v.c.away(err)
	t, status := troubleOf(err)
	if text, ok := noren.TextOf(err); ok && mistakeIn(err) == nil {
		t.Text, t.Detail = text, "" // the log has how the program says it
	}
	t.Ticket = noren.NewTicket()
	t.Back = "/"
	if v.site != "" && v.who != nil {
		t.Back = v.path("/")
	}
	log := v.c.o.Log.With("ticket", t.Ticket, "status", status, "method", v.r.Method, "path", loggedPath(v.r.URL.Path), "err", err)
	if status >= 500 {
		log.Error("console", "hint", noren.HintOf(err))
	} else {
		log.Info("console")
	}
	if v.who == nil {
		t.Detail = ""
	}
	if err := v.pageWith(status, "trouble", t); err != nil {
		v.c.o.Log.Error("console: the page of an error", "ticket", t.Ticket, "err", err)
		http.Error(v.w, "Noren "+t.Ticket, status)
	}
}

// away makes a database that is away Unavailable, whichever part said so: it is no
// fault of Noren's, and waiting helps.
func (c *Console) away(err error) error {
	if noren.CodeOf(err) == noren.Internal && c.o.Away != nil && c.o.Away(err) {
		return noren.Errorf(noren.Unavailable, "%w", err)
	}
	return err
}

// loggedPath is a path fit for the log: not as long as somebody likes, and without
// the secret of a one-time link, which still works after an error.
func loggedPath(path string) string {
	if strings.HasPrefix(path, "/join/") {
		return "/join/…"
	}
	return cutTo(path, 200)
}

func troubleOf(err error) (trouble, int) {
	if m := mistakeIn(err); m != nil {
		return trouble{Title: noren.Text{Ja: "入力を確かめてください", En: "Please check what you entered"}, Text: m.text,
			Next: noren.Text{Ja: "戻って直すと、入力した内容はそのまま残っています。", En: "Go back and mend it; what you entered is still there."}}, http.StatusUnprocessableEntity
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return trouble{Title: noren.Text{Ja: "送られた内容が大きすぎます", En: "That is too large"}, Text: noren.Text{Ja: "1回に送れるのは2 MiBまでです。何も変わっていません。", En: "At most 2 MiB can be sent at once. Nothing was changed."}}, http.StatusRequestEntityTooLarge
	}
	switch noren.CodeOf(err) {
	case noren.NotFound:
		return trouble{Title: noren.Text{Ja: "見つかりません", En: "Not found"}, Text: noren.Text{Ja: "このページはないか、あなたの担当するお店のものではありません。", En: "There is no such page, or it belongs to a shop that is not yours."}}, http.StatusNotFound
	case noren.Denied:
		return trouble{Title: noren.Text{Ja: "この操作はできません", En: "You may not do this"}, Text: noren.Text{Ja: "あなたの役割ではできない操作です。何も変わっていません。", En: "Your role does not allow it. Nothing was changed."},
			Next: noren.Text{Ja: "必要なら、店主に役割の変更を頼んでください。", En: "If you need it, ask the owner to change your role."}}, http.StatusForbidden
	case noren.Conflict:
		return trouble{Title: noren.Text{Ja: "ほかの人が先に変更しました", En: "Somebody changed it first"}, Text: noren.Text{Ja: "あなたが見ていた内容は少し古くなっています。上書きはしていません。", En: "What you were looking at is out of date. Nothing was overwritten."},
			Next: noren.Text{Ja: "ページを開き直して、今の内容を確かめてください。", En: "Open the page again and look at what it is now."}, Detail: err.Error()}, http.StatusConflict
	case noren.Invalid:
		return trouble{Title: noren.Text{Ja: "このままでは受け付けられません", En: "This cannot be accepted"}, Text: noren.Text{Ja: "内容に誤りがあります。何も変わっていません。", En: "Something is wrong with it. Nothing was changed."}, Detail: err.Error() + "\n" + noren.HintOf(err)}, http.StatusUnprocessableEntity
	case noren.Unavailable:
		return trouble{Title: noren.Text{Ja: "いまは応えられません", En: "Not available right now"}, Text: noren.Text{Ja: "データベースなどの部品が応答していません。お店の入口は動き続けています。何も失われていません。", En: "A part such as the database does not answer. The shop's entrance goes on working, and nothing is lost."},
			Next: noren.Text{Ja: "少し待って開き直してください。続くときは、番号を添えて管理者に知らせてください。", En: "Wait a little and open the page again. If it goes on, give the number to whoever runs the machine."}, Detail: err.Error()}, http.StatusServiceUnavailable
	}
	return trouble{Title: noren.Text{Ja: "うまくいきませんでした", En: "Something went wrong"}, Text: noren.Text{Ja: "Noren の側の問題です。お店の入口は動き続けています。", En: "The fault is Noren's. The shop's entrance goes on working."},
		Next: noren.Text{Ja: "番号を添えて管理者に知らせてください。ログに詳しい記録があります。", En: "Give the number to whoever runs the machine: the log has the details."}}, http.StatusInternalServerError
}
