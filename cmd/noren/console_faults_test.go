package main

import (
	"strings"
	"testing"
)

// Whoever edits settings in the console reads what is wrong in their own language,
// whichever part says it: policies, limits, who may enter, firewall rules, names.
func TestFaultsInTheEditorAreInTheReadersLanguage(t *testing.T) {
	p := openPane(t)
	order := func(old, new string) string { return strings.Replace(orderPolicies, old, new, 1) }
	for _, tt := range []struct{ file, text, ja, en string }{
		{ordersFile, order("order.total >= 50000", "order.totall >= 50000"), "という事実はありません", "unknown fact"},
		{ordersFile, order("order.total >= 50000", "order.total >= "), "式が途中で終わっています", "not a CEL expression"},
		{ordersFile, order("order.total >= 50000", "account.orders_1y >= 5"), "期間", "window"},
		{ordersFile, order("then: review", "then: reveiw"), "のことですか", "did you mean"},
		{ordersFile, order("mode: on", "mode: [on]"), "には文字を書きます", "must be a text"},
		{ordersFile, order("fires: true", "fires: false"), "「当てはまらない」はずですが", "must not fire"},
		{"limits.yaml", "version: 1\nlimits:\n  - {name: a, by: planet, rate: 1/1s}\n", "by に", "is not address"},
		{"limits.yaml", "version: 1\nlimits:\n  - {name: a, by: address, rate: fast}\n", "のような速さではありません", "is not a rate"},
		{"limits.yaml", "version: 1\nlimits:\n  - {name: a, by: \"fact:request.score\", rate: 1/1s}\n", "上限を数えるときにはまだ分かりません", "not known yet"},
		{"access.yaml", "version: 1\nrules:\n  - {name: a, reason: {ja: x}}\n", "どちらか一つが要ります", "needs either allow or deny"},
	} {
		p.get("/language?to=ja&back=/")
		p.post("/s/shop/policies/test", "file", tt.file, "text", tt.text, "base", "x").says(t, 200, "直すところが", tt.ja)
		p.get("/language?to=en&back=/")
		p.post("/s/shop/policies/test", "file", tt.file, "text", tt.text, "base", "x").says(t, 200, "to mend", tt.en)
	}
}
