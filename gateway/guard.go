package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"noren"
)

// Guard reads what a request is about to try (a sign-in, a payment) and what
// the shop answered. It must be safe for concurrent use and must not keep the
// request: passwords never leave it.
type Guard interface {
	// Attempt returns the attempt a request makes, nil when it makes none. An
	// error means that the request can be read in two ways; it is refused.
	Attempt(r *Inspected) (*Attempt, error)
}

// Inspected is a request as guards see it: placed, inspected, body parsed.
type Inspected struct {
	Method   string
	Path     string // as on the request line
	RawQuery string
	Place    Place
	// Values are the fields of a form or the texts of a JSON body, by name
	// ("user", "customer[mail]"; for JSON "variables.username").
	Values url.Values
	// Calls are the fields a GraphQL request calls. Their arguments stand in
	// Values as FIELD.ARGUMENT ("login.username").
	Calls []string
}

func (r *Inspected) addCalls(calls []call) {
	if len(calls) > 0 && r.Values == nil {
		r.Values = url.Values{}
	}
	for _, c := range calls {
		r.Calls = append(r.Calls, c.name)
		for name, values := range c.args {
			r.Values[c.name+"."+name] = values
		}
	}
}

// Attempt is what a guard read. Kind, Entities and Payload go into the attempt's
// event; Outcome makes the second event of the shop's answer, nil when the
// answer does not tell.
type Attempt struct {
	Kind     noren.Kind
	Entities noren.Entities
	Payload  noren.Payload
	Outcome  func(*Answer) noren.Payload
	// ReadsBody: the outcome stands in the answer's text.
	ReadsBody bool
}

// Answer is what a guard sees of the shop's answer.
type Answer struct {
	Status   int
	Location string // path and query of a redirect
	Cookies  []*http.Cookie
	Header   http.Header
	Body     string // the beginning, when the attempt reads it
}

// GuardConfig says where customers sign in and pay.
type GuardConfig struct {
	Login   []LoginForm   `yaml:"login" json:"login,omitempty"`
	Payment []PaymentForm `yaml:"payment" json:"payment,omitempty"`
}

// LoginForm is one form to sign in with. The first of the names of a field that
// the request has is used.
type LoginForm struct {
	Path     string   `yaml:"path" json:"path" jsonschema:"description=Path of the form or call; a pattern as in zones"`
	Call     string   `yaml:"call" json:"call,omitempty" jsonschema:"description=GraphQL: the field that is called; user and password are then CALL.ARGUMENT"`
	User     []string `yaml:"user" json:"user" jsonschema:"description=Fields with the customer's name or mail address; the first the request has counts"`
	Password []string `yaml:"password" json:"password" jsonschema:"description=Fields with the password; its value is never kept"`
	// Success and Failure are tried in this order; an answer that fits none
	// tells nothing, and the attempt stays open.
	Success []AnswerRule `yaml:"success" json:"success" jsonschema:"description=Answers that mean the sign-in succeeded; one of them must fit"`
	Failure []AnswerRule `yaml:"failure" json:"failure" jsonschema:"description=Answers that mean it failed; an answer that fits neither tells nothing"`
}

// PaymentForm is one form or call that takes money.
type PaymentForm struct {
	Path     string       `yaml:"path" json:"path" jsonschema:"description=Path of the form or call; a pattern as in zones"`
	Call     string       `yaml:"call" json:"call,omitempty" jsonschema:"description=GraphQL: the field that is called; the others are then CALL.ARGUMENT"`
	Order    []string     `yaml:"order" json:"order,omitempty" jsonschema:"description=Fields with the number of the order"`
	Amount   []string     `yaml:"amount" json:"amount,omitempty" jsonschema:"description=Fields with the amount"`
	Currency string       `yaml:"currency" json:"currency,omitempty" jsonschema:"description=Currency of the amount,default=JPY"`
	Method   []string     `yaml:"method" json:"method,omitempty" jsonschema:"description=Fields with the way of paying"`
	Token    []string     `yaml:"token" json:"token,omitempty" jsonschema:"description=Fields with the payment company's token or fingerprint of the card"`
	BIN      []string     `yaml:"bin" json:"bin,omitempty" jsonschema:"description=Fields with the first six to eight digits of the card\\, when the form has them by themselves"`
	Last4    []string     `yaml:"last4" json:"last4,omitempty" jsonschema:"description=Fields with the last four digits\\, likewise"`
	Number   []string     `yaml:"number" json:"number,omitempty" jsonschema:"description=Fields with a whole card number; only its first and last digits are read"`
	Account  []string     `yaml:"account" json:"account,omitempty" jsonschema:"description=Fields with the customer's mail address"`
	Success  []AnswerRule `yaml:"success" json:"success" jsonschema:"description=Answers that mean the payment was taken; one of them must fit"`
	Failure  []AnswerRule `yaml:"failure" json:"failure" jsonschema:"description=Answers that mean it was refused"`
}

// AnswerRule fits an answer when everything it names does.
type AnswerRule struct {
	Status      []int  `yaml:"status" json:"status,omitempty" jsonschema:"description=Status codes"`
	Location    string `yaml:"location" json:"location,omitempty" jsonschema:"description=Where a redirect leads; * is any run of characters"`
	NotLocation string `yaml:"not_location" json:"not_location,omitempty" jsonschema:"description=The redirect leads anywhere else"`
	Cookie      string `yaml:"cookie" json:"cookie,omitempty" jsonschema:"description=The answer sets a cookie of this name"`
	Header      string `yaml:"header" json:"header,omitempty" jsonschema:"description=The answer has a header of this name"`
	Body        string `yaml:"body" json:"body,omitempty" jsonschema:"description=The beginning of a JSON answer holds this text"`
}

func (r AnswerRule) fits(a *Answer) bool {
	if len(r.Status) > 0 && !slices.Contains(r.Status, a.Status) {
		return false
	}
	if r.Location != "" && !glob(r.Location, a.Location) {
		return false
	}
	if r.NotLocation != "" && (a.Location == "" || glob(r.NotLocation, a.Location)) {
		return false
	}
	if r.Header != "" && (a.Header == nil || a.Header.Get(r.Header) == "") {
		return false
	}
	if r.Body != "" && !strings.Contains(a.Body, r.Body) {
		return false
	}
	return r.Cookie == "" || slices.ContainsFunc(a.Cookies, func(c *http.Cookie) bool {
		return glob(r.Cookie, c.Name) && c.Value != "" && c.MaxAge >= 0
	})
}

// success reads an answer; known is false when it tells nothing.
func success(yes, no []AnswerRule, a *Answer) (ok, known bool) {
	fits := func(r AnswerRule) bool { return r.fits(a) }
	if slices.ContainsFunc(yes, fits) {
		return true, true
	}
	return false, slices.ContainsFunc(no, fits)
}

// readBody reports whether a rule looks at the answer's text.
func readBody(rules ...[]AnswerRule) bool {
	return slices.ContainsFunc(slices.Concat(rules...), func(r AnswerRule) bool { return r.Body != "" })
}

// peekAnswer is how much of an answer is looked at.
const peekAnswer = 16 << 10

// peek returns the beginning of a JSON answer; the visitor gets all of it
// nevertheless.
func peek(res *http.Response) string {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") || res.Header.Get("Content-Encoding") != "" {
		return ""
	}
	head, err := io.ReadAll(io.LimitReader(res.Body, peekAnswer))
	rest := io.Reader(res.Body)
	if err != nil {
		rest = failingReader{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), res.Body}
	return string(head)
}

// ShopGuard reads sign-ins and payments by a site's shop map.
type ShopGuard struct {
	logins   []loginForm
	payments []paymentForm
}

type loginForm struct {
	LoginForm
	at pattern
}

type paymentForm struct {
	PaymentForm
	at pattern
}

// NewShopGuard compiles a guard; all faults are reported at once.
func NewShopGuard(admin string, configs ...GuardConfig) (*ShopGuard, error) {
	g := &ShopGuard{}
	var errs []error
	for _, c := range configs {
		for _, f := range c.Login {
			at, err := formPattern(f.Path, admin, f.Success, f.Failure)
			if len(f.User) == 0 || len(f.Password) == 0 {
				err = errors.Join(err, noren.Errorf(noren.Invalid, "login form %q needs the names of its user and password fields", f.Path))
			}
			errs = append(errs, err)
			g.logins = append(g.logins, loginForm{f, at})
		}
		for _, f := range c.Payment {
			at, err := formPattern(f.Path, admin, f.Success, f.Failure)
			errs = append(errs, err)
			g.payments = append(g.payments, paymentForm{f, at})
		}
	}
	return g, errors.Join(errs...)
}

func formPattern(path, admin string, rules ...[]AnswerRule) (pattern, error) {
	p, err := parsePattern(path, noren.ZoneStorefront, admin)
	if err != nil {
		return p, err
	}
	for _, rs := range rules {
		for _, r := range rs {
			if len(r.Status) == 0 && r.Location == "" && r.NotLocation == "" && r.Cookie == "" && r.Header == "" && r.Body == "" {
				return p, noren.Errorf(noren.Invalid, "form %q: a rule about answers names nothing", path)
			}
		}
	}
	return p, nil
}

func (s *Site) guards(preset Preset) (*ShopGuard, error) {
	g, err := NewShopGuard(s.adminPrefix(preset), s.Guard, preset.Guard)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return g, nil
}

// Attempt implements Guard.
func (g *ShopGuard) Attempt(r *Inspected) (*Attempt, error) {
	for i := range g.logins {
		if f := &g.logins[i]; atForm(&f.at, f.Call, r) {
			if a, err := f.attempt(r.Values); a != nil || err != nil {
				return a, err
			}
		}
	}
	for i := range g.payments {
		if f := &g.payments[i]; atForm(&f.at, f.Call, r) {
			if a, err := f.attempt(r.Values); a != nil || err != nil {
				return a, err
			}
		}
	}
	return nil, nil
}

// atForm reports whether any view of the request's path is the form's, and it
// calls the field that a GraphQL form names.
func atForm(p *pattern, call string, r *Inspected) bool {
	if call != "" && !slices.Contains(r.Calls, call) {
		return false
	}
	found := false
	pathViews(r.Path, func(view string) {
		found = found || globPath(p.path, view) && p.matches(r.Method, func() []queryWant { return queryPairs(r.RawQuery) })
	})
	return found
}

// field returns the value of the first name the request has. Two different
// values are an error: the shop may take the other one.
func field(values url.Values, names []string) (string, error) {
	for _, n := range names {
		vs := values[n]
		if len(vs) == 0 {
			continue
		}
		for _, v := range vs[1:] {
			if v != vs[0] {
				return "", noren.Errorf(noren.Invalid, "field %s stands twice with different values", n)
			}
		}
		return vs[0], nil
	}
	return "", nil
}

func (f *loginForm) attempt(values url.Values) (*Attempt, error) {
	user, err := field(values, f.User)
	if err != nil {
		return nil, err
	}
	if user = cleanValue(user); user == "" {
		return nil, nil
	}
	return &Attempt{
		Kind:      noren.LoginAttempt,
		Entities:  noren.Entities{noren.EntityAccount: strings.ToLower(user)},
		Payload:   &noren.Login{User: user},
		ReadsBody: readBody(f.Success, f.Failure),
		Outcome: func(a *Answer) noren.Payload {
			ok, known := success(f.Success, f.Failure, a)
			if !known {
				return nil
			}
			return &noren.LoginResult{User: user, Success: ok}
		},
	}, nil
}

func (f *paymentForm) attempt(values url.Values) (*Attempt, error) {
	var errs []error
	get := func(names []string) string {
		v, err := field(values, names)
		errs = append(errs, err)
		return v
	}
	currency := f.Currency
	if currency == "" {
		currency = "JPY"
	}
	pay := &noren.Payment{
		Order: cleanValue(get(f.Order)), Method: cleanValue(get(f.Method)),
		Amount: noren.Money{Minor: amount(get(f.Amount)), Currency: currency},
	}
	who := noren.Entities{}
	set := func(name, value string) {
		if value = cleanValue(value); value != "" {
			who[name] = value
		}
	}
	bin, last4 := cardParts(get(f.Number))
	if bin == "" {
		bin, last4 = onlyDigits(get(f.BIN), 6, 8), onlyDigits(get(f.Last4), 4, 4)
	}
	pay.Last4 = last4
	set(noren.EntityBIN, bin)
	set(noren.EntityCard, get(f.Token))
	set(noren.EntityOrder, pay.Order)
	set(noren.EntityAccount, strings.ToLower(get(f.Account)))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Attempt{Kind: noren.PaymentAttempt, Entities: who, Payload: pay, Outcome: f.outcome(pay), ReadsBody: readBody(f.Success, f.Failure)}, nil
}

func (f *paymentForm) outcome(pay *noren.Payment) func(*Answer) noren.Payload {
	return func(a *Answer) noren.Payload {
		ok, known := success(f.Success, f.Failure, a)
		if !known {
			return nil
		}
		return &noren.PaymentResult{Order: pay.Order, Amount: pay.Amount, Success: ok}
	}
}

// cleanValue makes what a visitor typed fit for an event: no card number, no
// control characters, not too long.
func cleanValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return noren.MaskCards(cutBytes(strings.TrimSpace(s), 254)) // RFC 5321: no mail address is longer
}

// amount reads "12,800" or "¥12800"; anything else is 0, not known.
func amount(s string) int64 {
	s = strings.NewReplacer(",", "", "¥", "", "￥", "", "円", "", " ", "").Replace(s)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1e15 {
		return 0
	}
	return n
}

// cardParts keeps of a card number what may be kept: its first six and last
// four digits.
func cardParts(number string) (bin, last4 string) {
	digits := onlyDigits(strings.NewReplacer(" ", "", "-", "").Replace(number), 13, 19)
	if digits == "" {
		return "", ""
	}
	return digits[:6], digits[len(digits)-4:]
}

// onlyDigits returns s when it is between least and most digits, else "".
func onlyDigits(s string, least, most int) string {
	if len(s) < least || len(s) > most || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}

// cutBytes cuts s to at most n bytes at a rune's beginning.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
