package sampleshop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Customer is one member.
type Customer struct {
	ID int64
	party
	Since  time.Time
	Orders int
}

const customerColumns = `id, mail, name, kana, postal, prefecture, address, phone, created_at`

func scanCustomer(row interface{ Scan(...any) error }, more ...any) (Customer, error) {
	var c Customer
	var at int64
	err := row.Scan(append([]any{&c.ID, &c.Mail, &c.Name, &c.Kana, &c.Postal, &c.Prefecture, &c.Address, &c.Phone, &at}, more...)...)
	c.Since = time.Unix(at, 0)
	return c, err
}

func (s *Shop) customer(ctx context.Context, id int64) (Customer, error) {
	c, err := scanCustomer(s.db.QueryRowContext(ctx, `SELECT `+customerColumns+` FROM customers WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Customer{}, errNotFound
	}
	if err != nil {
		return Customer{}, fmt.Errorf("read customer: %w", err)
	}
	return c, nil
}

var errMailTaken = errors.New("mail address has an account")

func (s *Shop) addCustomer(ctx context.Context, p party, password string) (int64, error) {
	hash, err := hashPassword(password, newSalt(), s.opts.PasswordCost)
	if err != nil {
		return 0, err
	}
	var id int64
	err = s.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO customers (mail, password, name, kana, postal, prefecture, address, phone, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (mail) DO NOTHING RETURNING id`,
			strings.ToLower(p.Mail), hash, p.Name, p.Kana, p.Postal, p.Prefecture, p.Address, p.Phone, s.opts.Now().Unix()).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return errMailTaken
		}
		return err
	})
	return id, err
}

func (s *Shop) moveCustomer(ctx context.Context, id int64, p party) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE customers SET name = $1, kana = $2, postal = $3, prefecture = $4, address = $5, phone = $6 WHERE id = $7`,
			p.Name, p.Kana, p.Postal, p.Prefecture, p.Address, p.Phone, id)
		return err
	})
}

// authenticate returns the customer of a mail and password, 0 for a wrong one.
// An unknown mail takes as long as a wrong password.
func (s *Shop) authenticate(ctx context.Context, mail, password string) (int64, error) {
	var id int64
	stored := s.decoy
	err := s.db.QueryRowContext(ctx, `SELECT id, password FROM customers WHERE mail = $1`, strings.ToLower(mail)).Scan(&id, &stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read customer: %w", err)
	}
	ok, cost := checkPassword(stored, password)
	if !ok || id == 0 {
		return 0, nil
	}
	if cost >= s.opts.PasswordCost {
		return id, nil
	}
	return id, s.rehash(ctx, id, password)
}

func (s *Shop) rehash(ctx context.Context, id int64, password string) error {
	hash, err := hashPassword(password, newSalt(), s.opts.PasswordCost)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE customers SET password = $1 WHERE id = $2`, hash, id)
		return err
	})
}

// Customers lists the members, newest first, with how many orders each has.
func (s *Shop) Customers(ctx context.Context, limit int) ([]Customer, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+customerColumns+`, (SELECT count(*) FROM orders o WHERE o.customer = c.id)
		FROM customers c ORDER BY id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("read customers: %w", err)
	}
	defer rows.Close()
	var out []Customer
	for rows.Next() {
		var n int
		c, err := scanCustomer(rows, &n)
		if err != nil {
			return nil, fmt.Errorf("read customers: %w", err)
		}
		c.Orders = n
		out = append(out, c)
	}
	return out, rows.Err()
}
