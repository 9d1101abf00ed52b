package sampleshop

import (
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strconv"
)

func (s *Shop) adminLoginForm(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "admin_login", view{Title: "管理画面ログイン", Data: ""})
}

func (s *Shop) adminLogin(w http.ResponseWriter, r *http.Request) error {
	user, password := s.value(r, "user"), r.PostForm.Get("password")
	stored := s.decoy
	err := s.db.QueryRowContext(r.Context(), `SELECT password FROM admins WHERE name = $1`, user).Scan(&stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	ok := false
	if len(password) <= maxPassword {
		ok, _ = checkPassword(stored, password)
	}
	if !ok || err != nil {
		return s.render(w, r, http.StatusOK, "admin_login", view{Title: "管理画面ログイン", Errors: faults{"ユーザー名またはパスワードが違います。"}, Data: user})
	}
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if err := s.renew(r.Context(), sess); err != nil {
		return err
	}
	sess.Admin = true
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/admin")
}

func (s *Shop) adminLogout(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if err := s.end(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/admin/login")
}

// admin lets only the admin in.
func (s *Shop) admin(f pageFunc) pageFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		sess, err := s.session(r)
		if err != nil {
			return err
		}
		if !sess.Admin {
			return see(w, r, "/admin/login")
		}
		return f(w, r)
	}
}

type adminHome struct {
	Orders, Waiting, Customers, Messages, Revenue int64
	Newest                                        []Order
	Inbox                                         []message
}

func (s *Shop) adminHome(w http.ResponseWriter, r *http.Request) error {
	var h adminHome
	err := s.db.QueryRowContext(r.Context(), `SELECT
		(SELECT count(*) FROM orders), (SELECT count(*) FROM orders WHERE status IN ($1, $2)), (SELECT count(*) FROM customers),
		(SELECT count(*) FROM messages), (SELECT coalesce(sum(total), 0) FROM orders WHERE status <> $3)`,
		statusOpen, statusPaid, statusGone).Scan(&h.Orders, &h.Waiting, &h.Customers, &h.Messages, &h.Revenue)
	if err != nil {
		return err
	}
	if h.Newest, err = s.Orders(r.Context(), 8); err != nil {
		return err
	}
	if h.Inbox, err = s.inbox(r); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "admin_home", view{Title: "管理画面", Data: h})
}

func (s *Shop) inbox(r *http.Request) ([]message, error) {
	rows, err := s.db.QueryContext(r.Context(), `SELECT name, mail, subject, body FROM messages ORDER BY id DESC LIMIT 5`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []message
	for rows.Next() {
		var m message
		if err := rows.Scan(&m.Name, &m.Mail, &m.Subject, &m.Body); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

const adminListed = 100

func (s *Shop) adminOrders(w http.ResponseWriter, r *http.Request) error {
	os, err := s.Orders(r.Context(), adminListed)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "admin_orders", view{Title: "受注一覧", Data: os})
}

type adminOrder struct {
	Order    Order
	Statuses []string
}

func (s *Shop) adminOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("order"), 10, 64)
	if err != nil {
		return errNotFound
	}
	o, err := s.order(r.Context(), id)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "admin_order", view{Title: "受注 " + o.Number(), Data: adminOrder{o, statuses()}})
}

func (s *Shop) adminStatus(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("order"), 10, 64)
	status := s.value(r, "status")
	if err != nil || !slices.Contains(statuses(), status) {
		return errNotFound
	}
	if err := s.setStatus(r.Context(), id, status); err != nil {
		return err
	}
	return see(w, r, "/admin/orders/"+strconv.FormatInt(id, 10))
}

func (s *Shop) adminCustomers(w http.ResponseWriter, r *http.Request) error {
	cs, err := s.Customers(r.Context(), adminListed)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "admin_customers", view{Title: "会員一覧", Data: cs})
}
