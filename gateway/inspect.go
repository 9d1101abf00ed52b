package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/gateway/waf"
)

// inspect reads the body and has the request inspected. An allow-list entry
// does not spare it.
func (x *exchange) inspect() *stop {
	if x.own() {
		return nil // read strictly and never passed on
	}
	if s := x.readBody(); s != nil {
		return s
	}
	if s := x.bodyOverride(); s != nil {
		return s
	}
	if x.st.waf == nil || x.shop.WAFIn(x.place.Zone) == WAFOff {
		return nil
	}
	if x.r.Context().Err() != nil {
		// Whoever resets a request at once shall not have the firewall work for it.
		return &stop{cause: noren.CauseMalformed, rule: "gone", status: http.StatusBadRequest}
	}
	var err error
	x.result, err = x.runInspector()
	if err != nil {
		return x.notInspected(err)
	}
	if !x.result.Blocked || x.shop.WAFIn(x.place.Zone) == WAFShadow {
		return nil
	}
	s := &stop{cause: noren.CauseWAF, rule: topRule(x.result.Hits), status: http.StatusForbidden}
	if x.result.Status == http.StatusBadRequest {
		s.status = http.StatusBadRequest
	}
	return s
}

func (x *exchange) runInspector() (waf.Result, error) {
	ctx := x.r.Context()
	req := x.wafRequest()
	res, err := x.st.waf.Inspect(ctx, req)
	// Clients the shop knows by name get a second chance in a crowd.
	for try := 0; try < 4 && x.allow != nil && errors.Is(err, waf.ErrOverload); try++ {
		res, err = x.st.waf.Inspect(ctx, req)
	}
	if err == nil { // what it waited for a place is somebody else's doing
		m := x.g.meters.of(x.shop.Name)
		m.inspected.Add(1)
		m.gate.Add(res.Micros * int64(time.Microsecond))
	}
	return res, err
}

func (x *exchange) wafRequest() *waf.Request {
	req := &waf.Request{
		Site: x.shop.Name,
		Addr: netip.AddrPortFrom(x.client, x.peer.Port()), Method: x.r.Method, URI: x.r.RequestURI, Proto: x.r.Proto,
		Host: x.r.Host, Header: x.r.Header, Zone: x.place.Zone, Shop: x.shop.Preset, Charsets: x.shop.charsets(x.place.Zone),
		Own:     ownHost(x.r),
		Without: x.shop.exclusions.For(x.place.Zone, x.path, x.at.Time),
		Chunked: x.body != nil && x.body.stream != nil && x.r.ContentLength < 0,
	}
	if x.body != nil {
		if req.Body = x.body.inspect; x.inspected != nil {
			req.Body = x.inspected
		}
	}
	return req
}

// topRule is the rule that weighed most, as the journal groups by it.
func topRule(hits []noren.Hit) string {
	if len(hits) == 0 {
		return ""
	}
	return strconv.Itoa(hits[0].Rule)
}

// closedFrom: zones at least this strict are closed while the firewall is
// broken. What is milder (storefront, search, cart, contact) stays open behind
// the cheap checks, so that a fault of ours does not close the shop.
var closedFrom = mustInfo(noren.ZoneProfile).Strict

func mustInfo(z noren.Zone) noren.ZoneInfo {
	info, _ := z.Info()
	return info
}

// notInspected decides which way to fail.
func (x *exchange) notInspected(err error) *stop {
	switch {
	case errors.Is(err, waf.ErrOverload):
		return &stop{cause: noren.CauseOverload, rule: "waf", status: http.StatusServiceUnavailable, retry: retryOverload}
	case x.r.Context().Err() != nil:
		return &stop{cause: noren.CauseMalformed, rule: "gone", status: http.StatusBadRequest}
	}
	x.g.alarm("firewall failed", x.shop.Name, "zone", x.place.Zone, "err", err)
	if mustInfo(x.place.Zone).Strict >= closedFrom {
		return &stop{cause: noren.CauseOverload, rule: "waf_fault", status: http.StatusServiceUnavailable, retry: retryFault}
	}
	if x.looksHostile() {
		return &stop{cause: noren.CauseWAF, rule: "cheap", status: http.StatusForbidden}
	}
	return nil
}

// hostileWords are what the cheap checks look for while the firewall is broken:
// few, plain, and never in an ordinary request.
var hostileWords = []string{
	"<script", "javascript:", "onerror=", "onload=", "union select", "union all select", "' or '", "sleep(", "benchmark(",
	"information_schema", "../..", "..\\..", "/etc/passwd", "${jndi:", "<?php", "php://", "() {", "cmd.exe", "/bin/sh", "\x00",
}

func (x *exchange) looksHostile() bool {
	seen := x.r.RequestURI
	if x.body != nil {
		seen += "\n" + string(x.body.inspect)
	}
	for range 2 {
		lower := strings.ToLower(seen)
		if slices.ContainsFunc(hostileWords, func(w string) bool { return strings.Contains(lower, w) }) {
			return true
		}
		seen = waf.Unescape(seen)
	}
	return false
}

// readAttempt lets the guards see what the request is about to try.
func (x *exchange) readAttempt() *stop {
	if len(x.shop.guards) == 0 {
		return nil
	}
	in := &Inspected{Method: x.r.Method, Path: x.path, RawQuery: x.r.URL.RawQuery, Place: x.place}
	in.Values = x.values()
	in.addCalls(x.calls)
	for _, g := range x.shop.guards {
		a, err := g.Attempt(in)
		if err != nil {
			return malformed("field_twice")
		}
		if a != nil {
			x.attempt, x.tryID = a, noren.NewID(x.at.Time)
			return x.accountLimits()
		}
	}
	return nil
}

// accountLimits asks the limits by account, which only a sign-in has. The
// shipped limits have none, so this costs nothing by default.
func (x *exchange) accountLimits() *stop {
	account := x.attempt.Entities[noren.EntityAccount]
	if account == "" {
		return nil
	}
	p := party{addr: x.client, session: x.session, account: x.token("account", account)}
	return x.take(p, func(l *Limit) bool { return l.By == ByAccount })
}

// values are the fields of the body as far as it was inspected.
func (x *exchange) values() url.Values {
	if x.fields == nil && x.body != nil {
		x.fields = bodyValues(x.r.Header.Get("Content-Type"), x.body.inspect)
	}
	return x.fields
}

// bodyValues reads the fields of a form or the texts of a JSON body. What
// cannot be read has none; the firewall has judged that already.
func bodyValues(contentType string, b []byte) url.Values {
	if len(b) == 0 {
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "multipart/form-data":
		return multipartValues(b, params["boundary"])
	case err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")):
		return jsonValues(b)
	}
	out := url.Values{}
	for part := range strings.SplitSeq(string(b), "&") {
		name, value, _ := strings.Cut(part, "=")
		out.Add(waf.Unescape(name), waf.Unescape(value))
	}
	return out
}

func multipartValues(b []byte, boundary string) url.Values {
	out := url.Values{}
	mr := multipart.NewReader(bytes.NewReader(b), boundary)
	for {
		p, err := mr.NextRawPart()
		if err != nil {
			return out
		}
		if v, err := io.ReadAll(p); err == nil && p.FileName() == "" {
			out.Add(p.FormName(), string(v))
		}
	}
}

// jsonValues names values by their path: variables.username.
func jsonValues(b []byte) url.Values {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	out := url.Values{}
	flatten("", v, out, 0)
	return out
}

func flatten(name string, v any, out url.Values, depth int) {
	if depth > 16 || len(out) > 1000 {
		return
	}
	switch v := v.(type) {
	case string:
		out.Add(name, v)
	case json.Number:
		out.Add(name, v.String())
	case map[string]any:
		for k, e := range v {
			flatten(strings.TrimPrefix(name+"."+k, "."), e, out, depth+1)
		}
	case []any:
		for _, e := range v {
			flatten(name, e, out, depth+1)
		}
	}
}
