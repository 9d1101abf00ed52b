package sampleshop

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

type accountPage struct {
	Party       party
	Prefectures []string
	Next        string
}

func (s *Shop) signupForm(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "signup", view{Title: "会員登録", Data: accountPage{Prefectures: prefectures()}})
}

const (
	minPassword = 8
	maxPassword = 128 // bytes; what is hashed is bounded
)

func (s *Shop) signup(w http.ResponseWriter, r *http.Request) error {
	p := s.party(r)
	password := r.PostForm.Get("password")
	var f faults
	p.check(&f)
	if len(password) < minPassword || len(password) > maxPassword {
		f.add("パスワードは8文字以上でお決めください。")
	}
	var id int64
	if len(f) == 0 {
		var err error
		id, err = s.addCustomer(r.Context(), p, password)
		if errors.Is(err, errMailTaken) {
			f.add("このメールアドレスでは登録できません。すでに会員の方はログインしてください。")
		} else if err != nil {
			return err
		}
	}
	if len(f) > 0 {
		return s.render(w, r, http.StatusOK, "signup", view{Title: "会員登録", Errors: f, Data: accountPage{Party: p, Prefectures: prefectures()}})
	}
	return s.signIn(w, r, id, "会員登録が完了しました。ようこそ、のれん堂へ。", "/mypage")
}

// signIn begins a new session for a customer and keeps the cart.
func (s *Shop) signIn(w http.ResponseWriter, r *http.Request, id int64, notice, to string) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if err := s.renew(r.Context(), sess); err != nil {
		return err
	}
	sess.Customer, sess.Notice = id, notice
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, to)
}

// localPath accepts only a path of this shop, so that a link cannot send a
// customer elsewhere after signing in.
func localPath(next string) string {
	if len(next) > 200 || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/mypage"
	}
	return next
}

func (s *Shop) loginForm(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "login", view{Title: "ログイン", Data: accountPage{Next: localPath(s.value(r, "next"))}})
}

func (s *Shop) login(w http.ResponseWriter, r *http.Request) error {
	mail, password := s.value(r, "mail"), r.PostForm.Get("password")
	next := localPath(s.value(r, "next"))
	var id int64
	if len(password) <= maxPassword {
		var err error
		if id, err = s.authenticate(r.Context(), mail, password); err != nil {
			return err
		}
	}
	if id == 0 {
		return s.render(w, r, http.StatusOK, "login", view{Title: "ログイン", Errors: faults{"メールアドレスまたはパスワードが違います。"},
			Data: accountPage{Party: party{Mail: mail}, Next: next}})
	}
	return s.signIn(w, r, id, "", next)
}

func (s *Shop) logout(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if err := s.end(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/")
}

// member lets only signed-in customers in.
func (s *Shop) member(f func(http.ResponseWriter, *http.Request, *session, Customer) error) pageFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		sess, err := s.session(r)
		if err != nil {
			return err
		}
		if sess.Customer == 0 {
			return see(w, r, "/login?next="+r.URL.EscapedPath())
		}
		c, err := s.customer(r.Context(), sess.Customer)
		if err != nil {
			return err
		}
		return f(w, r, sess, c)
	}
}

type mypage struct {
	Customer Customer
	Orders   []Order
}

func (s *Shop) mypage(w http.ResponseWriter, r *http.Request, sess *session, c Customer) error {
	orders, err := s.ordersOf(r.Context(), c.ID)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "mypage", view{Title: "マイページ", Data: mypage{c, orders}, session: sess})
}

func (s *Shop) myOrder(w http.ResponseWriter, r *http.Request, sess *session, c Customer) error {
	id, err := strconv.ParseInt(r.PathValue("order"), 10, 64)
	if err != nil {
		return errNotFound
	}
	o, err := s.order(r.Context(), id)
	if err != nil {
		return err
	}
	if o.Customer != c.ID { // somebody else's order does not exist for this member
		return errNotFound
	}
	return s.render(w, r, http.StatusOK, "order", view{Title: "ご注文 " + o.Number(), Data: o, session: sess})
}

func (s *Shop) addressForm(w http.ResponseWriter, r *http.Request, sess *session, c Customer) error {
	return s.render(w, r, http.StatusOK, "address", view{Title: "お届け先の変更", Data: accountPage{Party: c.party, Prefectures: prefectures()}, session: sess})
}

func (s *Shop) address(w http.ResponseWriter, r *http.Request, sess *session, c Customer) error {
	p := s.party(r)
	p.Mail = c.Mail
	var f faults
	p.check(&f)
	if len(f) > 0 {
		return s.render(w, r, http.StatusOK, "address", view{Title: "お届け先の変更", Errors: f, Data: accountPage{Party: p, Prefectures: prefectures()}, session: sess})
	}
	if err := s.moveCustomer(r.Context(), c.ID, p); err != nil {
		return err
	}
	sess.Notice = "お届け先を変更しました。"
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/mypage")
}
