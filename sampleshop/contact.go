package sampleshop

import (
	"database/sql"
	"net/http"
)

type message struct{ Name, Mail, Subject, Body string }

func (s *Shop) contactForm(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "contact", view{Title: "お問い合わせ", Data: message{}})
}

func (s *Shop) contact(w http.ResponseWriter, r *http.Request) error {
	m := message{s.value(r, "name"), s.value(r, "mail"), s.value(r, "subject"), s.value(r, "body")}
	var f faults
	f.text("お名前", m.Name, 100)
	f.match("メールアドレス", m.Mail, mailForm, "hanako@example.jp")
	f.text("件名", m.Subject, 100)
	f.text("お問い合わせ内容", m.Body, 4000)
	if len(f) > 0 {
		return s.render(w, r, http.StatusOK, "contact", view{Title: "お問い合わせ", Errors: f, Data: m})
	}
	err := s.write(r.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.Context(), `INSERT INTO messages (name, mail, subject, body, created_at) VALUES ($1, $2, $3, $4, $5)`,
			m.Name, m.Mail, m.Subject, m.Body, s.opts.Now().Unix())
		return err
	})
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "thanks", view{Title: "お問い合わせ", Data: m})
}
