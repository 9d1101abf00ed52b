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
)

func packages() string {
	return strings.Join([]string{norenConf, japaneseConf}, "\n")
}
