package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"noren"
)

// CardConfig says what a card payment looks like, for the switch that stops
// them.
type CardConfig struct {
	// Values are the shop's own names for paying by card, where the preset knows
	// the form and not the name.
	Values []string   `yaml:"values" json:"values,omitempty" jsonschema:"description=What the shop calls paying by card in its forms: the number of the payment at EC-CUBE\\, the name of a payment method elsewhere; * is any run of characters"`
	Forms  []CardForm `yaml:"forms" json:"forms,omitempty" jsonschema:"description=Forms and calls by which buyers pay or choose how\\, besides the preset's"`
}

// CardForm is one form or call by which a buyer pays by card.
type CardForm struct {
	Path string `yaml:"path" json:"path" jsonschema:"description=Path of the form or call; a pattern as in zones\\, such as POST /checkout"`
	Call string `yaml:"call" json:"call,omitempty" jsonschema:"description=GraphQL: the field that is called; field is then CALL.ARGUMENT"`
	// Field without values asks for the shop's own; without Field every such
	// request is a card payment.
	Field  []string    `yaml:"field" json:"field,omitempty" jsonschema:"description=Fields with the way of paying\\, in a form or in JSON (a.b); none: every such request is a card payment"`
	Values []string    `yaml:"values" json:"values,omitempty" jsonschema:"description=Values that mean a card; * is any run of characters"`
	With   []string    `yaml:"with" json:"with,omitempty" jsonschema:"description=Only where one of these fields stands beside"`
	Back   string      `yaml:"back" json:"back,omitempty" jsonschema:"description=Where a buyer chooses another way of paying: a path\\, such as /checkout"`
	Answer *CardAnswer `yaml:"answer" json:"answer,omitempty" jsonschema:"description=What a program gets that shows no page; a problem document without it"`
}

// CardAnswer is what the shop's own script in the buyer's browser understands.
type CardAnswer struct {
	Status int    `yaml:"status" json:"status" jsonschema:"description=Status code"`
	Body   string `yaml:"body" json:"body" jsonschema:"description=JSON; {message} is what the buyer reads"`
}

// PresetCards is what a preset knows of card payments.
type PresetCards struct {
	Forms []CardForm `yaml:"forms"`
	// Find tells where a shop finds its own names, when the forms need them.
	Find noren.Text `yaml:"find"`
}

// cardMap is what a site knows of card payments, compiled.
type cardMap struct {
	forms []cardForm
	rest  bool // WordPress: ?rest_route=/x is /wp-json/x
	// unnamed: the forms are known, and which of their values mean a card is not.
	unnamed bool
	utf8    bool // form values have no other encoding
}

type cardForm struct {
	CardForm
	at     pattern
	fields []string // as fieldName spells them, * allowed
	with   []string // likewise
	values []string // lower case
}

func (s *Site) cardMap(preset Preset) (*cardMap, error) {
	m := &cardMap{utf8: len(pick(s.Encodings, preset.Encodings)) <= 1}
	var errs []error
	for _, f := range s.Cards.Forms {
		errs = append(errs, f.valid(s.Cards.Values))
	}
	for _, f := range append(slices.Clone(s.Cards.Forms), preset.Cards.Forms...) {
		at, err := parsePattern(f.Path, noren.ZoneCheckout, s.adminPrefix(preset))
		errs = append(errs, err)
		c := cardForm{CardForm: f, at: at}
		for _, name := range f.Field {
			c.fields = append(c.fields, fieldName(name))
		}
		for _, name := range f.With {
			c.with = append(c.with, fieldName(name))
		}
		for _, v := range append(slices.Clone(s.Cards.Values), f.Values...) {
			c.values = append(c.values, strings.ToLower(strings.TrimSpace(v)))
		}
		m.unnamed = m.unnamed || len(f.Field) > 0 && len(c.values) == 0
		m.rest = m.rest || strings.HasPrefix(at.path, "/wp-json")
		m.forms = append(m.forms, c)
	}
	return m, errors.Join(errs...)
}

func (f *CardForm) valid(values []string) error {
	switch {
	case len(f.Field) > 0 && len(f.Values)+len(values) == 0:
		return noren.WithHint(noren.Errorf(noren.Invalid, "cards: the form %q does not say which values of %s mean a card", f.Path, strings.Join(f.Field, ", ")), "add values: [card] to the form")
	case len(f.Field) == 0 && len(f.Values) > 0:
		return noren.Errorf(noren.Invalid, "cards: the form %q has values and no field", f.Path)
	case f.Back != "" && !ownPath(f.Back):
		return noren.Errorf(noren.Invalid, "cards: back %q is not a path such as /checkout", f.Back)
	case f.Answer != nil && (f.Answer.Status < 200 || f.Answer.Status > 599 || !strings.Contains(f.Answer.Body, "{message}")):
		return noren.Errorf(noren.Invalid, "cards: the answer of %q needs a status and a body with {message}", f.Path)
	}
	return nil
}

// ownPath keeps a link on the shop's own pages.
func ownPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") && !strings.ContainsAny(p, "\\\"<> \t\r\n")
}

// cardRequest is a request as it is asked whether it pays by card.
type cardRequest struct {
	method, path, query, contentType string
	body                             []byte
	calls                            []call
	// hidden: GraphQL whose calls cannot be read; opaque: a body without fields that
	// could be.
	hidden, opaque bool
	// machine: the payment provider's zone. There only a form that is named by its
	// query counts, which no report has.
	machine bool
}

// find returns the form by which a request pays by card, nil for none. Wherever
// the shop could read the request in two ways, the one with the card counts.
func (m *cardMap) find(r *cardRequest) *cardForm {
	b := &bodyFields{r: r}
	for i := range m.forms {
		if f := &m.forms[i]; (!r.machine || len(f.at.query) > 0) && m.at(f, r) && f.pays(r, b, m.utf8) {
			return f
		}
	}
	return nil
}

// pays reports whether a request at the form's address is a card payment.
func (f *cardForm) pays(r *cardRequest, b *bodyFields, utf8 bool) bool {
	switch {
	case f.Call != "":
		return r.hidden && !safeMethod(r.method) || f.called(r.calls)
	case safeMethod(r.method):
		return false
	case r.opaque && len(f.with) == 0, len(f.fields) == 0:
		return true
	}
	fields, whole := b.read()
	if !whole {
		return true
	}
	if len(f.with) > 0 && !slices.ContainsFunc(fields, func(v fieldValue) bool { return slices.Contains(f.with, v.name) }) {
		return false
	}
	return slices.ContainsFunc(fields, func(v fieldValue) bool { return f.names(v.name) && f.card(v.value, utf8) })
}

// bodyFields are the fields of a request, read once and only when a form asks.
type bodyFields struct {
	r     *cardRequest
	all   []fieldValue
	whole bool
	done  bool
}

func (b *bodyFields) read() (all []fieldValue, whole bool) {
	if !b.done {
		b.all, b.whole = bodyViews(b.r.contentType, b.r.body)
		b.all, b.done = append(b.all, queryViews(b.r.query)...), true
	}
	return b.all, b.whole
}

func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

// at reports whether a view of the path is the form's. Which method changes
// something is the same for all that do: a shop may take one for another.
func (m *cardMap) at(f *cardForm, r *cardRequest) (found bool) {
	method := r.method
	if len(f.at.methods) > 0 && !safeMethod(method) {
		method = f.at.methods[0]
	}
	pairs := queryPairs(r.query)
	look := func(view string) {
		found = found || globPath(f.at.path, view) && (f.Call != "" || f.at.matches(method, func() []queryWant { return pairs }))
	}
	pathViews(r.path, look)
	if m.rest {
		for _, route := range ends(pairs, "rest_route") {
			pathViews("/wp-json"+route, look)
		}
	}
	return found
}

// called looks at GraphQL calls. One that does not show how it pays may pay by
// card.
func (f *cardForm) called(calls []call) bool {
	for _, c := range calls {
		if c.name != f.Call {
			continue
		}
		said := false
		for name, values := range c.args {
			if !f.names(fieldName(c.name + "." + name)) {
				continue
			}
			said = said || len(values) > 0
			if slices.ContainsFunc(values, func(v string) bool { return f.card(v, true) }) {
				return true
			}
		}
		if !said {
			return true
		}
	}
	return false
}

func (f *cardForm) names(name string) bool {
	return slices.ContainsFunc(f.fields, func(want string) bool { return glob(want, name) })
}

// card reports whether a value means a card, in any form that a shop might clean
// it into.
func (f *cardForm) card(value string, utf8 bool) bool {
	if oddValue(value, utf8) {
		return true
	}
	v := strings.ToLower(strings.TrimSpace(halfWidth(value)))
	return slices.ContainsFunc(f.values, func(want string) bool { return glob(want, v) })
}

// cardRequest is x as the card map asks about it.
func (x *exchange) cardRequest(machine bool) *cardRequest {
	r := &cardRequest{method: x.changes(), path: x.path, query: x.r.URL.RawQuery, contentType: x.r.Header.Get("Content-Type"), calls: x.calls, hidden: x.hiddenCalls, machine: machine}
	if b := x.body; b != nil {
		r.body = b.inspect
		r.opaque = b.stream != nil || b.inspect == nil && b.size > 0
	}
	return r
}

// changes is the request's method, or the one that changes something which it
// asks to be taken for: WordPress takes GET for POST when it is told so.
func (x *exchange) changes() string {
	if !safeMethod(x.r.Method) {
		return x.r.Method
	}
	methods, _ := overrides(x.r) // refused before when they are wrong
	for _, m := range methods {
		if !safeMethod(m) {
			return m
		}
	}
	return x.r.Method
}

// signsIn reports whether a body brings name and password of one of the map's
// sign-in forms, wherever it goes: WordPress signs customers in on any page.
func (g *ShopGuard) signsIn(fields []fieldValue) bool {
	has := func(names []string) bool {
		return slices.ContainsFunc(fields, func(v fieldValue) bool {
			return v.value != "" && slices.ContainsFunc(names, func(n string) bool { return fieldName(n) == v.name })
		})
	}
	return slices.ContainsFunc(g.logins, func(f loginForm) bool { return f.Call == "" && has(f.User) && has(f.Password) })
}

func queryViews(raw string) (out []fieldValue) {
	for _, q := range queryPairs(raw) {
		out = append(out, fieldValue{fieldName(q.key), q.value})
	}
	return out
}
