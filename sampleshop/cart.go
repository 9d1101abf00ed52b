package sampleshop

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxPieces   = 20 // of one product
	maxProducts = 30 // in one cart
)

func (sess *session) pieces() int {
	n := 0
	for _, q := range sess.Cart {
		n += q
	}
	return n
}

// Line is one product of a cart or an order.
type Line struct {
	Product, Name string
	Price         int64
	Quantity      int
}

// Sum is the line's price.
func (l Line) Sum() int64 { return l.Price * int64(l.Quantity) }

// bill is what a cart costs.
type bill struct {
	Lines                          []Line
	Subtotal, Shipping, Fee, Total int64
}

const (
	shippingFee  = 660
	freeShipping = 8_000
	codFee       = 330
)

// bill works out what the cart costs when it is paid by method ("" for not
// chosen yet). Products that are no longer sold are left out.
func (s *Shop) bill(ctx context.Context, cart map[string]int, method string) (bill, error) {
	var b bill
	for id, n := range cart {
		p, err := s.productByID(ctx, id)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return bill{}, err
		}
		b.Lines = append(b.Lines, Line{Product: p.ID, Name: p.Name, Price: p.Price, Quantity: n})
		b.Subtotal += p.Price * int64(n)
	}
	slices.SortFunc(b.Lines, func(x, y Line) int { return strings.Compare(x.Product, y.Product) })
	if len(b.Lines) > 0 && b.Subtotal < freeShipping {
		b.Shipping = shippingFee
	}
	if method == methodCOD {
		b.Fee = codFee
	}
	b.Total = b.Subtotal + b.Shipping + b.Fee
	return b, nil
}

func (s *Shop) cart(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	b, err := s.bill(r.Context(), sess.Cart, "")
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "cart", view{Title: "カート", Data: b, session: sess})
}

func (s *Shop) cartAdd(w http.ResponseWriter, r *http.Request) error {
	p, err := s.productByID(r.Context(), s.value(r, "product"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(s.value(r, "quantity"))
	if err != nil || n < 1 {
		n = 1
	}
	return s.changeCart(w, r, p.ID, func(now int) int { return now + n })
}

func (s *Shop) cartUpdate(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(s.number(r, "quantity"))
	if err != nil || n < 0 {
		return see(w, r, "/cart")
	}
	return s.changeCart(w, r, s.value(r, "product"), func(int) int { return n })
}

func (s *Shop) changeCart(w http.ResponseWriter, r *http.Request, product string, change func(now int) int) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.Cart == nil {
		sess.Cart = map[string]int{}
	}
	before, known := sess.Cart[product]
	switch n := min(change(before), maxPieces); {
	case n <= 0:
		delete(sess.Cart, product)
	case !known && len(sess.Cart) >= maxProducts:
		sess.Notice = "カートに入るのは30種類までです。"
	case known || s.goods.pictures[product] != nil:
		sess.Cart[product] = n
	}
	// What was agreed at the till was agreed for another cart.
	sess.Draft = nil
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/cart")
}
