package exposure

import (
	"context"
	"io"
	"net/http"
	"time"

	"noren"
)

// panelPaths are where database tools are usually found.
var panelPaths = [...]string{"/phpmyadmin/", "/phpMyAdmin/", "/pma/", "/adminer.php"}

// Panels lists the database tools that a web server on this machine serves.
// base is its address (http://127.0.0.1:80), host the name asked for.
func Panels(ctx context.Context, base, host string) []string {
	client := &http.Client{Timeout: 3 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if answers(ctx, client, base, host, "/noren-"+noren.NewTicket()+".php") {
		return nil // it has a page for everything
	}
	var out []string
	for _, p := range panelPaths {
		if answers(ctx, client, base, host, p) {
			out = append(out, p)
		}
	}
	return out
}

func answers(ctx context.Context, client *http.Client, base, host, path string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return false
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized
}

// Panel is the finding of one.
func Panel(base, path string) Finding {
	return Finding{Service: "phpMyAdmin / Adminer " + base + path, Severity: Danger, Reach: "world",
		Why:  noren.Text{Ja: "データベースの管理画面がウェブから開けます。パスワード1つで、お客様の情報をすべて持ち出せます", En: "The database's administration can be opened on the web: one password gives all of your customers' data away"},
		Mend: noren.Text{Ja: "使い終わったら消します。残すなら、ウェブサーバーの設定で自社のアドレスだけに絞ります（nginx: allow 203.0.113.7; deny all;  Apache: Require ip 203.0.113.7）", En: "remove it when you are done, or restrict it to your own address in the web server (nginx: allow 203.0.113.7; deny all;  Apache: Require ip 203.0.113.7)"},
	}
}
