package sampleshop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Ways of paying.
const (
	methodCard    = "card"
	methodKonbini = "konbini"
	methodCOD     = "cod"
)

// States of an order.
const (
	statusWaiting = "入金待ち"
	statusOpen    = "受付"
	statusPaid    = "入金済み"
	statusSent    = "発送済み"
	statusGone    = "取消"
)

func statuses() []string {
	return []string{statusWaiting, statusOpen, statusPaid, statusSent, statusGone}
}

// Order is one order.
type Order struct {
	ID        int64
	Reference string // the payment provider's word for it
	Customer  int64  // 0 for a guest
	Status    string
	party
	Note, Delivery, Method         string
	Subtotal, Shipping, Fee, Total int64
	Last4, Charge, Slip            string
	At                             time.Time
	Lines                          []Line
}

// Number is what the customer is told.
func (o Order) Number() string { return fmt.Sprintf("ND-%06d", o.ID) }

// MethodName is the way of paying in words.
func (o Order) MethodName() string { return methodName(o.Method) }

func methodName(m string) string {
	return map[string]string{methodCard: "クレジットカード", methodKonbini: "コンビニ払い", methodCOD: "代金引換"}[m]
}

const orderColumns = `id, reference, coalesce(customer, 0), status, name, kana, postal, prefecture, address, phone, mail, note, delivery, method,
	subtotal, shipping, fee, total, last4, charge, slip, created_at`

func (s *Shop) queryOrders(ctx context.Context, where string, args ...any) ([]Order, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+orderColumns+` FROM orders `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	defer rows.Close()
	var out []Order
	for rows.Next() {
		var o Order
		var at int64
		if err := rows.Scan(&o.ID, &o.Reference, &o.Customer, &o.Status, &o.Name, &o.Kana, &o.Postal, &o.Prefecture, &o.Address, &o.Phone, &o.Mail,
			&o.Note, &o.Delivery, &o.Method, &o.Subtotal, &o.Shipping, &o.Fee, &o.Total, &o.Last4, &o.Charge, &o.Slip, &at); err != nil {
			return nil, fmt.Errorf("read orders: %w", err)
		}
		o.At = time.Unix(at, 0)
		out = append(out, o)
	}
	return out, rows.Err()
}

// Orders lists the newest orders without their lines.
func (s *Shop) Orders(ctx context.Context, limit int) ([]Order, error) {
	return s.queryOrders(ctx, `ORDER BY id DESC LIMIT $1`, limit)
}

func (s *Shop) ordersOf(ctx context.Context, customer int64) ([]Order, error) {
	return s.queryOrders(ctx, `WHERE customer = $1 ORDER BY id DESC LIMIT 50`, customer)
}

func (s *Shop) order(ctx context.Context, id int64) (Order, error) {
	os, err := s.queryOrders(ctx, `WHERE id = $1`, id)
	if err != nil {
		return Order{}, err
	}
	if len(os) == 0 {
		return Order{}, errNotFound
	}
	o := os[0]
	rows, err := s.db.QueryContext(ctx, `SELECT product, name, price, quantity FROM order_items WHERE order_id = $1 ORDER BY product`, id)
	if err != nil {
		return Order{}, fmt.Errorf("read order lines: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l Line
		if err := rows.Scan(&l.Product, &l.Name, &l.Price, &l.Quantity); err != nil {
			return Order{}, fmt.Errorf("read order lines: %w", err)
		}
		o.Lines = append(o.Lines, l)
	}
	return o, rows.Err()
}

// insertOrder stores an order with its lines and takes the stock.
func insertOrder(ctx context.Context, tx *sql.Tx, o *Order) error {
	err := tx.QueryRowContext(ctx, `INSERT INTO orders (reference, customer, status, name, kana, postal, prefecture, address, phone, mail, note,
		delivery, method, subtotal, shipping, fee, total, last4, charge, slip, created_at)
		VALUES ($1, nullif($2, 0), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING id`,
		o.Reference, o.Customer, o.Status, o.Name, o.Kana, o.Postal, o.Prefecture, o.Address, o.Phone, o.Mail, o.Note,
		o.Delivery, o.Method, o.Subtotal, o.Shipping, o.Fee, o.Total, o.Last4, o.Charge, o.Slip, o.At.Unix()).Scan(&o.ID)
	if err != nil {
		return fmt.Errorf("store order: %w", err)
	}
	for _, l := range o.Lines {
		if err := takeStock(ctx, tx, l.Product, l.Quantity); err != nil {
			return fmt.Errorf("stock of %s: %w", l.Product, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO order_items (order_id, product, name, price, quantity) VALUES ($1, $2, $3, $4, $5)`,
			o.ID, l.Product, l.Name, l.Price, l.Quantity); err != nil {
			return fmt.Errorf("store order line: %w", err)
		}
	}
	return nil
}

// setStatus moves an order on; it says errNotFound when there is none.
func (s *Shop) setStatus(ctx context.Context, id int64, status string) error {
	return s.updateOrder(ctx, `UPDATE orders SET status = $1 WHERE id = $2`, status, id)
}

// paid notes what the payment provider reported. A report that comes twice
// changes nothing, and one that comes late does not undo the shop's own steps.
func (s *Shop) paid(ctx context.Context, reference, charge string) error {
	return s.updateOrder(ctx, `UPDATE orders SET charge = $1, status = CASE status WHEN $2 THEN $3 ELSE status END WHERE reference = $4`,
		charge, statusWaiting, statusPaid, reference)
}

func (s *Shop) updateOrder(ctx context.Context, query string, args ...any) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("update order: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNotFound)
		}
		return nil
	})
}
