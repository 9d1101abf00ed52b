package exclusion

import "noren"

// Acts, as noren.StaffAction names them.
const (
	ActAsk     = "firewall.exclusion.ask"
	ActApprove = "firewall.exclusion.approve"
	ActLift    = "firewall.exclusion.lift"
)

// ActText says what somebody did, for people; false for an act that is none of these.
func ActText(act string) (noren.Text, bool) {
	t, ok := map[string]noren.Text{
		ActAsk:     {Ja: "誤って止めたお客様のため、検査から外すよう頼みました", En: "asked to leave a field out of the firewall"},
		ActApprove: {Ja: "誤って止めたお客様のため、検査から外すことを承認しました", En: "approved that a field is left out of the firewall"},
		ActLift:    {Ja: "検査から外していたところを、元どおりにしました", En: "had a field inspected again"},
	}[act]
	return t, ok
}
