package noren

// RuleFamily is the family of a firewall rule: the first three digits of a rule of
// the Core Rule Set, which numbers its files by what they are about
// (coreruleset.org/docs/3-about-rules/rules), and for Noren's own the family that
// they add to or look twice for. 0 means none.
func RuleFamily(rule int) int {
	if rule >= 900_000 && rule < 1_000_000 {
		return rule / 1000
	}
	for _, own := range ownFamilies {
		if rule >= own.from && rule <= own.to {
			return own.family
		}
	}
	return 0
}

// ownFamilies are those of Noren's own rules; TestEveryRuleHasAFamily of
// gateway/waf holds them to the rules.
var ownFamilies = [...]struct{ from, to, family int }{
	{100000, 100010, 920},
	{100202, 100203, 920}, {100204, 100218, 942}, {100219, 100219, 921}, {100220, 100226, 941}, {100227, 100228, 934}, {100230, 100230, 920}, {100231, 100231, 930},
	{100240, 100247, 932}, {100250, 100252, 933}, {100253, 100253, 931}, {100254, 100254, 933}, {100260, 100299, 920},
	{100930, 100931, 930}, {100932, 100932, 932}, {100934, 100934, 934}, {100941, 100941, 941}, {100942, 100942, 942},
	{100950, 100951, 942}, {100952, 100953, 934}, {100954, 100955, 941}, {100956, 100957, 932}, {100958, 100959, 934},
	{100960, 100963, 931}, {100964, 100965, 921}, {100966, 100972, 934}, {100974, 100975, 920}, {100978, 100979, 933}, {100980, 100981, 934},
}
