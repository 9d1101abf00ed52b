package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"noren/sampleshop"
)

// Journey is how one buyer fared.
type Journey struct {
	Buyer   string
	Steps   int
	Ordered bool
	// Err says at which step the buyer did not get what a buyer must get;
	// nil when the whole visit went well.
	Err error
}

// buyer is one person in the shop.
type buyer struct {
	*browser
	r     *rand.Rand
	speed float64
	who   sampleshop.Person
	step  string
	steps int
}

// manner is what a buyer has come for; the seed decides.
type manner struct {
	member, signup    bool
	mistypes          bool
	method            string // card, konbini, cod
	badCard           bool   // the first card is declined
	contacts, browses bool   // asks something; only looks
	moves, leaves     bool   // changes the address; signs out
}

func newManner(r *rand.Rand) manner {
	m := manner{mistypes: r.IntN(4) == 0, badCard: r.IntN(8) == 0, contacts: r.IntN(4) == 0, browses: r.IntN(8) == 0, moves: r.IntN(4) == 0, leaves: r.IntN(3) == 0}
	switch n := r.IntN(10); {
	case n < 4:
		m.member = true
	case n < 7:
		m.signup = true
	}
	m.method = []string{"card", "card", "card", "konbini", "cod"}[r.IntN(5)]
	return m
}

// buyerOf makes the n-th buyer of a seed. Every fifth shares the address of the
// one before, as a family does.
func buyerOf(o PlayOptions, n int) (*buyer, error) {
	r := rand.New(rand.NewPCG(o.Seed, uint64(n)))
	home := n
	if n%5 == 4 {
		home--
	}
	b, err := newBrowser(fmt.Sprintf("buyer-%03d", n), kindBuyer, o.Shop, o.from(kindBuyer, home), pick(r, profiles()), o.Observe)
	if err != nil {
		return nil, err
	}
	return &buyer{browser: b, r: r, speed: o.Speed}, nil
}

// visit plays one whole visit.
func (b *buyer) visit(ctx context.Context, n int, o PlayOptions) Journey {
	defer b.close()
	m := newManner(b.r)
	b.who = person(b.r, o.Seed, n)
	if m.member && o.Members > 0 {
		b.who = sampleshop.People(o.MemberSeed, o.Members)[n%o.Members]
	}
	j := Journey{Buyer: b.player}
	j.Ordered, j.Err = b.play(ctx, m)
	j.Steps = b.steps
	if j.Err != nil {
		j.Err = fmt.Errorf("%s: %w", b.step, j.Err)
	}
	return j
}

func (b *buyer) play(ctx context.Context, m manner) (ordered bool, err error) {
	if err := b.lookAround(ctx); err != nil || m.browses {
		return false, err
	}
	if err := b.enter(ctx, m); err != nil {
		return false, err
	}
	if err := b.fillCart(ctx); err != nil {
		return false, err
	}
	if err := b.checkout(ctx, m); err != nil {
		return false, err
	}
	return true, b.afterwards(ctx, m)
}

// think waits as a person does before the next click, sped up.
func (b *buyer) think(ctx context.Context, mean time.Duration) error {
	d := time.Duration(b.r.ExpFloat64() * float64(mean))
	return wait(ctx, time.Duration(float64(min(d, 4*mean))/max(b.speed, 0.1)))
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

var parts = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`)

// read loads a page with its parts and looks at it for a while.
func (b *buyer) read(ctx context.Context, step, path, says string) (answer, error) {
	a, err := b.want(ctx, step, path, says)
	if err != nil {
		return a, err
	}
	for _, m := range parts.FindAllStringSubmatch(a.body, 40) {
		if err := b.load(ctx, m[1]); err != nil {
			return a, err
		}
	}
	return a, b.think(ctx, 5*time.Second)
}

// want loads a page that must answer 200 and say something.
func (b *buyer) want(ctx context.Context, step, path, says string) (answer, error) {
	b.begin(step)
	a, err := b.get(ctx, step, path)
	if err != nil {
		return a, err
	}
	return a, expect(a, http.StatusOK, says)
}

// send posts a form that must lead on to another page.
func (b *buyer) send(ctx context.Context, step, path, to string, form url.Values) (answer, error) {
	b.begin(step)
	a, err := b.post(ctx, step, path, form)
	if err != nil {
		return a, err
	}
	if a.status != http.StatusFound || !strings.HasPrefix(a.location, to) {
		return a, fmt.Errorf("answered %d to %q instead of 302 to %s", a.status, a.location, to)
	}
	return a, b.think(ctx, 2*time.Second)
}

func (b *buyer) begin(step string) { b.step, b.steps = step, b.steps+1 }

func expect(a answer, status int, says string) error {
	if a.status != status {
		return fmt.Errorf("answered %d instead of %d", a.status, status)
	}
	if !strings.Contains(a.body, says) {
		return fmt.Errorf("answered a page without %q", says)
	}
	return nil
}

var productLink = regexp.MustCompile(`href="(/products/[a-z0-9-]+)"`)

func (b *buyer) lookAround(ctx context.Context) error {
	if _, err := b.read(ctx, "home", "/", "のれん堂"); err != nil {
		return err
	}
	for range b.r.IntN(3) {
		q := url.Values{"q": {pick(b.r, searchWords())}}
		if _, err := b.read(ctx, "search "+q.Get("q"), "/search?"+q.Encode(), "商品検索"); err != nil {
			return err
		}
	}
	shelf := pick(b.r, []string{"cha", "chaki", "utsuwa", "dogu", "okuri"})
	_, err := b.read(ctx, "category", "/category/"+shelf, "のれん堂")
	return err
}

// enter signs in or up, or leaves it at being a guest.
func (b *buyer) enter(ctx context.Context, m manner) error {
	switch {
	case m.member:
		return b.signIn(ctx, m)
	case m.signup:
		if _, err := b.read(ctx, "sign-up form", "/signup", "会員登録"); err != nil {
			return err
		}
		form := b.address(b.who)
		form.Set("password", b.who.Password)
		if _, err := b.send(ctx, "sign-up", "/signup", "/mypage", form); err != nil {
			return err
		}
		_, err := b.read(ctx, "my page", "/mypage", "ようこそ")
		return err
	}
	return nil
}

func (b *buyer) signIn(ctx context.Context, m manner) error {
	if _, err := b.read(ctx, "login form", "/login", "ログイン"); err != nil {
		return err
	}
	form := url.Values{"mail": {b.who.Mail}, "password": {b.who.Password}, "next": {"/mypage"}}
	if m.mistypes {
		form.Set("password", mistype(b.r, b.who.Password))
		b.begin("login mistyped")
		a, err := b.post(ctx, "login mistyped", "/login", form)
		if err != nil {
			return err
		}
		if err := expect(a, http.StatusOK, "パスワードが違います"); err != nil {
			return err
		}
		if err := b.think(ctx, 4*time.Second); err != nil {
			return err
		}
		form.Set("password", b.who.Password)
	}
	if _, err := b.send(ctx, "login", "/login", "/mypage", form); err != nil {
		return err
	}
	_, err := b.read(ctx, "my page", "/mypage", "マイページ")
	return err
}

func (b *buyer) fillCart(ctx context.Context) error {
	a, err := b.read(ctx, "home again", "/", "のれん堂")
	if err != nil {
		return err
	}
	links := productLink.FindAllStringSubmatch(a.body, -1)
	if len(links) == 0 {
		return fmt.Errorf("the first page shows no products")
	}
	for range 1 + b.r.IntN(3) {
		path := pick(b.r, links)[1]
		if _, err := b.read(ctx, "product", path, "カートに入れる"); err != nil {
			return err
		}
		form := url.Values{"product": {strings.TrimPrefix(path, "/products/")}, "quantity": {strconv.Itoa(1 + b.r.IntN(2))}}
		if _, err := b.send(ctx, "add to cart", "/cart/add", "/cart", form); err != nil {
			return err
		}
	}
	_, err = b.read(ctx, "cart", "/cart", "ご注文手続きへ")
	return err
}

func (b *buyer) address(p sampleshop.Person) url.Values {
	return url.Values{"name": {p.Name}, "kana": {p.Kana}, "postal": {p.Postal}, "prefecture": {p.Prefecture}, "address": {p.Address}, "phone": {p.Phone}, "mail": {p.Mail}}
}

func (b *buyer) afterwards(ctx context.Context, m manner) error {
	if m.contacts {
		if err := b.ask(ctx); err != nil {
			return err
		}
	}
	if !m.member && !m.signup {
		return nil
	}
	if _, err := b.read(ctx, "orders", "/mypage", "ND-"); err != nil {
		return err
	}
	if m.moves {
		p := b.who
		p.Address += "-" + strconv.Itoa(1+b.r.IntN(20))
		if _, err := b.send(ctx, "change address", "/mypage/address", "/mypage", b.address(p)); err != nil {
			return err
		}
	}
	if m.leaves {
		_, err := b.send(ctx, "sign out", "/logout", "/", nil)
		return err
	}
	return nil
}

func (b *buyer) ask(ctx context.Context) error {
	if _, err := b.read(ctx, "contact form", "/contact", "お問い合わせ"); err != nil {
		return err
	}
	b.begin("contact")
	form := url.Values{"name": {b.who.Name}, "mail": {b.who.Mail}, "subject": {pick(b.r, subjects())}, "body": {pick(b.r, questions())}}
	a, err := b.post(ctx, "contact", "/contact", form)
	if err != nil {
		return err
	}
	return expect(a, http.StatusOK, "お問い合わせを受け付けました")
}
