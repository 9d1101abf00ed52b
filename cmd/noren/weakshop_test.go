package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/width"
)

// An attack that works on a shop which folds, reads Shift_JIS and builds its
// statements from strings is stopped in front of it, however it is written; the
// same characters in an address are not.
func TestWeakShopBehindTheGateway(t *testing.T) {
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 7, backing{byHand: true, weak: true}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close(t.Context()) })
	bare := w.server.in.present().Sites[0].Upstream
	const plain = "zz' UNION SELECT id, 'x', mail || '#' || password, '', 1, '', '', 1 FROM customers -- "
	attacks := map[string]string{
		"plain":      plain,
		"full-width": width.Widen.String(plain),
		"Shift_JIS":  shiftJIS(t, "羊羹"+plain),
		"both":       shiftJIS(t, "表"+width.Widen.String(plain)),
		"NFKC":       strings.NewReplacer("'", "＇", " ", "　", "(", "（", ",", "，").Replace(plain),
	}
	for name, q := range attacks {
		if status, page := getPage(t, bare+"/search?q="+url.QueryEscape(q)); status != http.StatusOK || !strings.Contains(page, "#pbkdf2") {
			t.Errorf("%s does not work without the gateway: %d", name, status)
		}
		if status, page := getPage(t, w.url+"/search?q="+url.QueryEscape(q)); status != http.StatusForbidden || strings.Contains(page, "#pbkdf2") {
			t.Errorf("%s through the gateway: %d", name, status)
		}
	}
	const address = "東京都千代田区丸の内１－２－３　（Ａ棟）＃１２０３；裏口／表札：Ｏ’Ｈａｒａ＆ＳＯＮ"
	for _, q := range []string{address, shiftJIS(t, address)} {
		form := url.Values{"name": {"山田"}, "mail": {"hanako@example.jp"}, "subject": {"お届け先"}, "body": {q}}
		res, err := http.PostForm(w.url+"/contact", form)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if direct, err := http.PostForm(bare+"/contact", form); err != nil || res.StatusCode != direct.StatusCode {
			t.Errorf("an address: %d through the gateway, without it %v, %v: %.200s", res.StatusCode, direct, err, body)
		} else {
			direct.Body.Close()
		}
		if status, _ := getPage(t, w.url+"/search?q="+url.QueryEscape(q)); status != http.StatusOK {
			t.Errorf("an address that is looked for: %d", status)
		}
	}
}

func shiftJIS(t *testing.T, s string) string {
	t.Helper()
	out, err := japanese.ShiftJIS.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func getPage(t *testing.T, address string) (status int, page string) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
