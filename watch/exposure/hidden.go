package exposure

import (
	"os"
	"path/filepath"
	"strings"

	"noren"
)

// Hidden says what can be known, without being root, of a firewall on this
// machine. What the provider's network filters cannot be seen from here at all.
// root is the file system's, "/".
func Hidden(root string) noren.Text {
	if strings.Contains(read(root, "etc/ufw/ufw.conf"), "ENABLED=yes") {
		if strings.Contains(read(root, "etc/default/ufw"), `DEFAULT_INPUT_POLICY="DROP"`) {
			return noren.Text{
				Ja: "ufw が有効で、許していない接続は断ります（許可の一覧は sudo ufw status で）。Docker が公開したポートは ufw を素通りします",
				En: "ufw is on and refuses what it does not allow (sudo ufw status lists that); ports published by Docker pass it by",
			}
		}
		return noren.Text{Ja: "ufw は有効ですが、既定で断る設定とは確かめられません（sudo ufw status verbose）", En: "ufw is on, but not known to refuse by default (sudo ufw status verbose)"}
	}
	if strings.Contains(read(root, "proc/modules"), "nf_tables ") || exists(root, "etc/firewalld/firewalld.conf") {
		return noren.Text{
			Ja: "不明です。ファイアウォールが動いているかもしれませんが、規則は管理者でないと読めません（sudo nft list ruleset）",
			En: "unknown: there may be a firewall, but only root may read its rules (sudo nft list ruleset)",
		}
	}
	return noren.Text{
		Ja: "不明です。このサーバーにファイアウォールの跡は見つかりません（サーバー会社の側の設定は、ここからは見えません）",
		En: "unknown: no sign of a firewall on this machine (what the provider filters cannot be seen from here)",
	}
}

// read reads a small file; "" for one that may not be read.
func read(root, name string) string {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return ""
	}
	return string(b[:min(len(b), 64<<10)])
}

func exists(root, name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}
