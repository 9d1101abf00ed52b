package waf

import (
	_ "embed"
	"strings"
)

// The rule packages stand between the Core Rule Set and the judgement of its
// scores, in this order. docs/internals/waf-packages.md lists what is in them.
var (
	//go:embed rules/japanese.conf
	japaneseConf string
	//go:embed rules/charset.conf
	charsetConf string
	// Each of these counts only where the shop runs on that program: their first
	// condition is TX:noren_shop. Vendure needs none of its own.
	//go:embed rules/platforms/eccube4.conf
	eccube4Conf string
	//go:embed rules/platforms/eccube2.conf
	eccube2Conf string
	//go:embed rules/platforms/wordpress.conf
	wordpressConf string
	//go:embed rules/platforms/magento.conf
	magentoConf string
)

func packages() string {
	return strings.Join([]string{norenConf, japaneseConf, charsetConf, eccube4Conf, eccube2Conf, wordpressConf, magentoConf}, "\n")
}
