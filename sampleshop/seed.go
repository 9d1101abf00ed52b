package sampleshop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// seedSecret derives an invented person's password. Whoever knows the seed
// knows it, which is the point: nothing real is behind it.
func seedSecret(seed uint64, name string) string {
	m := hmac.New(sha256.New, binary.BigEndian.AppendUint64(nil, seed))
	m.Write([]byte(name))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

// fill makes the tables and the seed's people in one transaction.
func (s *Shop) fill(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
		for _, step := range []func(context.Context, *sql.Tx) error{s.fillProducts, s.fillCustomers, s.fillOrders, s.fillReviews, s.fillAdmin} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Shop) fillProducts(ctx context.Context, tx *sql.Tx) error {
	for i, p := range s.goods.products {
		if _, err := tx.ExecContext(ctx, `INSERT INTO products (id, position, category, name, size, price, badge, description, stock)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, p.ID, i, p.Category, p.Name, p.Size, p.Price, p.Badge, p.Text, p.Stock); err != nil {
			return fmt.Errorf("product %s: %w", p.ID, err)
		}
	}
	return nil
}

// today is the midnight history is counted back from, so that a day's shops of
// one seed are alike.
func (s *Shop) today() time.Time {
	y, m, d := s.opts.Now().In(japan()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, japan())
}

func (s *Shop) fillCustomers(ctx context.Context, tx *sql.Tx) error {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO customers (mail, password, name, kana, postal, prefecture, address, phone, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for i, p := range People(s.opts.Seed, s.opts.Customers) {
		salt := sha256.Sum256([]byte(seedSecret(s.opts.Seed, "salt "+p.Mail)))
		hash, err := hashPassword(p.Password, salt[:16], seedCost)
		if err != nil {
			return err
		}
		since := s.today().AddDate(0, 0, i-2*s.opts.Customers)
		if _, err := insert.ExecContext(ctx, p.Mail, hash, p.Name, p.Kana, p.Postal, p.Prefecture, p.Address, p.Phone, since.Unix()); err != nil {
			return fmt.Errorf("customer %d: %w", i, err)
		}
	}
	return nil
}

func (s *Shop) fillOrders(ctx context.Context, tx *sql.Tx) error {
	people := People(s.opts.Seed, s.opts.Customers)
	r := rand.New(rand.NewPCG(s.opts.Seed, 1<<40))
	for i := range s.opts.Orders {
		o := s.inventOrder(r, people, i)
		if err := insertOrder(ctx, tx, &o); err != nil {
			return fmt.Errorf("order %d: %w", i, err)
		}
	}
	return nil
}

const (
	seedNotes = "//////のし紙「御祝」でお願いします。/ご自宅用の簡易包装で結構です。/宅配ボックスへ入れてください m(_ _)m/メッセージカード：「おかあさん、いつもありがとう♪」/割れ物注意の札をお願いします/領収書の宛名は（株）見本商店 でお願いします"
)

func (s *Shop) inventOrder(r *rand.Rand, people []Person, i int) Order {
	who := r.IntN(len(people))
	p := people[who]
	o := Order{
		Reference: fmt.Sprintf("seed%06d", i), party: party{p.Name, p.Kana, p.Postal, p.Prefecture, p.Address, p.Phone, p.Mail},
		Delivery: deliveries()[r.IntN(len(deliveries()))], Method: []string{methodCard, methodCard, methodKonbini, methodCOD}[r.IntN(4)],
		Status: statusSent, At: s.today().Add(-time.Duration(s.opts.Orders-i)*7*time.Hour - time.Duration(r.IntN(300))*time.Minute),
	}
	if r.IntN(5) > 0 { // the others bought as guests
		o.Customer = int64(who + 1)
	}
	notes := strings.Split(seedNotes, "/")
	o.Note = notes[r.IntN(len(notes))]
	for _, k := range r.Perm(len(s.goods.products))[:1+r.IntN(3)] {
		g := s.goods.products[k]
		o.Lines = append(o.Lines, Line{g.ID, g.Name, g.Price, 1 + r.IntN(2)})
		o.Subtotal += o.Lines[len(o.Lines)-1].Sum()
	}
	if o.Subtotal < freeShipping {
		o.Shipping = shippingFee
	}
	s.inventPayment(r, &o, s.opts.Orders-i)
	o.Total = o.Subtotal + o.Shipping + o.Fee
	return o
}

func (s *Shop) inventPayment(r *rand.Rand, o *Order, age int) {
	fresh := age <= 12
	switch o.Method {
	case methodCard:
		o.Last4, o.Charge = []string{"1111", "4242", "4444", "0000"}[r.IntN(4)], fmt.Sprintf("ch_seed%06d", age)
		if fresh {
			o.Status = statusPaid
		}
	case methodCOD:
		o.Fee = codFee
		if fresh {
			o.Status = statusOpen
		}
	case methodKonbini:
		o.Slip = fmt.Sprintf("SEED%06d", age)
		if fresh {
			o.Status = statusWaiting
		}
	}
}

const opinions = "5/毎朝の一杯が楽しみになりました。香りがとても良いです。 5/写真より実物のほうが素敵でした！大切に使います(*^_^*) 4/思ったより小ぶりでしたが、手になじみます。 5/梱包がていねいで、安心して受け取れました。 4/母の日の贈り物に。とても喜ばれました★ 3/色味が画面と少し違いましたが、これはこれで。 5/リピートです。家族全員このお茶じゃないと…と言っています。 4/説明書きが丁寧で、初めてでもおいしく淹れられました。 2/届くまでに少し時間がかかりました。品物は良いです。 5/友人宅で使っていて一目惚れ。買ってよかった♪ 4/100g→200gの大袋もあるとうれしいです。 5/口あたりがやわらかく、重さもちょうど良いです。"

func (s *Shop) fillReviews(ctx context.Context, tx *sql.Tx) error {
	r := rand.New(rand.NewPCG(s.opts.Seed, 2<<40))
	people := People(s.opts.Seed, s.opts.Customers)
	for _, p := range s.goods.products {
		for _, k := range r.Perm(len(strings.Fields(opinions)))[:r.IntN(5)] {
			stars, body, _ := strings.Cut(strings.Fields(opinions)[k], "/")
			who := r.IntN(len(people))
			at := s.today().Add(-time.Duration(r.IntN(24*180)) * time.Hour)
			if _, err := tx.ExecContext(ctx, `INSERT INTO reviews (product, customer, name, stars, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
				p.ID, who+1, string([]rune(people[who].Name)[:1])+"さん", stars, body, at.Unix()); err != nil {
				return fmt.Errorf("review of %s: %w", p.ID, err)
			}
		}
	}
	return nil
}

func (s *Shop) fillAdmin(ctx context.Context, tx *sql.Tx) error {
	hash, err := hashPassword(s.opts.AdminPassword, newSalt(), s.opts.PasswordCost)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO admins (name, password) VALUES ($1, $2)`, AdminUser, hash)
	return err
}
