package waf

import (
	"sync"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	"noren"
	"noren/gateway/waf/inert"
)

// newInert makes @inert KIND: it matches a value that can do nothing.
func newInert(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	f, ok := inert.Of(o.Arguments)
	if !ok {
		return nil, noren.Errorf(noren.Invalid, "@inert %.40q: no such kind", o.Arguments)
	}
	return inertOp(f), nil
}

type inertOp func(v string) bool

func (f inertOp) Evaluate(_ plugintypes.TransactionState, v string) bool { return f(v) }

// useInert makes the operator known to engines made from now on.
var useInert = sync.OnceFunc(func() { plugins.RegisterOperator("inert", newInert) })
