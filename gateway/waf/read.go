package waf

import (
	"fmt"

	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"noren"
)

// Value is one named value of a request as the rules see it.
type Value struct{ Name, Value string }

// Read returns the values that the rules are run over: of the address, the body
// and the cookies, with all their readings. It is how labs and tests compare
// what was inspected with what a shop reads from what it received.
func (w *WAF) Read(r *Request) (values []Value, err error) {
	tx := w.engine.NewTransaction()
	defer func() {
		if cerr := tx.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("waf: close transaction: %w", cerr)
		}
	}()
	if err := process(tx, w.own(r)); err != nil {
		return nil, err
	}
	state, ok := tx.(plugintypes.TransactionState)
	if !ok {
		return nil, noren.Errorf(noren.Internal, "waf: this Coraza hides its variables")
	}
	vars := state.Variables()
	for _, found := range [][]types.MatchData{vars.ArgsGet().FindAll(), vars.ArgsPost().FindAll(), vars.RequestCookies().FindAll()} {
		for _, m := range found {
			values = append(values, Value{m.Key(), m.Value()})
		}
	}
	return values, nil
}
