package waf

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"noren"
)

// run is one transaction, without the rules that are known to match nothing, within
// a budget (0: none). A panic of the engine is an error of this request only.
func (w *WAF) run(r *Request, idle []int, budget time.Duration) (res Result, err error) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("waf engine panicked", "panic", fmt.Sprint(p), "method", r.Method, "zone", r.Zone)
			res, err = Result{}, noren.Errorf(noren.Internal, "waf: engine panicked: %v", p)
		}
	}()
	tx, done := w.running.start(w.engine, budget)
	defer done()
	defer func() {
		if cerr := tx.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("waf: close transaction: %w", cerr)
		}
	}()
	leaveOut(tx, idle)
	w.without(tx, r.Without)
	if err := process(tx, r); err != nil {
		return Result{}, err
	}
	res, err = result(tx)
	res.Micros = time.Since(start).Microseconds()
	return res, err
}

// leaveOut takes rules out of one transaction, as ctl:ruleRemoveById does. An
// engine that has no such door runs them all.
func leaveOut(tx types.Transaction, rules []int) {
	door, ok := tx.(interface{ RemoveRuleByID(id int) })
	if !ok {
		return
	}
	for _, id := range rules {
		door.RemoveRuleByID(id)
	}
}

func process(tx types.Transaction, r *Request) error {
	if err := feedHead(tx, r); err != nil {
		return err
	}
	return feedBody(tx, r)
}

// feedHead gives the engine what comes before the body.
func feedHead(tx types.Transaction, r *Request) error {
	state, ok := tx.(plugintypes.TransactionState)
	if !ok {
		return noren.Errorf(noren.Internal, "waf: this Coraza hides its variables")
	}
	state.Variables().TX().Set(zoneVariable, []string{string(r.Zone)})
	state.Variables().TX().Set(shopVariable, []string{r.Shop})
	tx.ProcessConnection(r.Addr.Addr().Unmap().WithZone("").String(), int(r.Addr.Port()), "", 0)
	tx.ProcessURI(r.URI, r.Method, r.Proto)
	for _, v := range views(r) {
		tx.AddGetRequestArgument(strings.Clone(v.name), v.value)
	}
	for name, values := range r.Header {
		for _, v := range values {
			tx.AddRequestHeader(name, v)
		}
	}
	tx.AddRequestHeader("Host", r.Host)
	if r.Chunked {
		tx.AddRequestHeader("Transfer-Encoding", "chunked")
	}
	tx.SetServerName(r.Host)
	return nil
}

// feedBody runs the rules over the head, gives the engine the body, and runs
// the others.
func feedBody(tx types.Transaction, r *Request) error {
	if tx.ProcessRequestHeaders() != nil {
		return nil
	}
	if len(r.Body) > 0 {
		if it, _, err := tx.WriteRequestBody(r.Body); err != nil || it != nil {
			return wrap("read the body", err)
		}
	}
	_, err := tx.ProcessRequestBody()
	return wrap("run the rules", err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("waf: %s: %w", doing, err)
}

func result(tx types.Transaction) (Result, error) {
	var res Result
	vars := tx.(plugintypes.TransactionState).Variables()
	if s := vars.TX().Get("inbound_anomaly_score_pl1"); len(s) > 0 {
		n, err := strconv.Atoi(s[0])
		if err != nil {
			return Result{}, fmt.Errorf("waf: read the score: %w", err)
		}
		res.Score = n
	}
	if it := tx.Interruption(); it != nil {
		res.Blocked, res.Status = true, it.Status
		res.Score = max(res.Score, scoreOf(types.RuleSeverityCritical))
	}
	res.Hits = hits(tx.MatchedRules())
	if it := tx.Interruption(); it != nil && it.RuleID == budgetRule {
		res.Hits = append(res.Hits, noren.Hit{Rule: budgetRule, Msg: "The inspection takes longer than it may", Score: res.Score})
	}
	return res, nil
}
