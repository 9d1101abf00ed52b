package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"os"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"
	"github.com/rogpeppe/go-internal/testscript"
)

// letterBox appends what came to a file, for waitfor and grep.
type letterBox struct {
	mu   sync.Mutex
	path string
}

func (b *letterBox) add(text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text + "\n")
	return err
}

// mailserver PORT FILE: a real mail server; each mail goes to the file in words.
func mailserverCmd(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	box := &letterBox{path: ts.MkAbs(args[1])}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &boxSession{box: box}, nil }))
	s.Domain, s.ReadTimeout, s.WriteTimeout = "localhost", patience, patience
	go s.Serve(l)
	ts.Defer(func() { s.Close() })
}

type boxSession struct {
	box *letterBox
	to  string
}

func (s *boxSession) Reset()                                    {}
func (s *boxSession) Logout() error                             { return nil }
func (s *boxSession) Mail(string, *smtp.MailOptions) error      { return nil }
func (s *boxSession) Rcpt(to string, _ *smtp.RcptOptions) error { s.to = to; return nil }

func (s *boxSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return err
	}
	return s.box.add(fmt.Sprintf("to=%s subject=%s\n%s", s.to, subject, strings.ReplaceAll(string(text), "\r\n", "\n")))
}

// hookserver PORT FILE: a real receiver of webhooks; each body goes to the file.
func hookserverCmd(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	box := &letterBox{path: ts.MkAbs(args[1])}
	s := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = box.add(string(body))
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})}
	go s.Serve(l)
	ts.Defer(func() { s.Close() })
}
