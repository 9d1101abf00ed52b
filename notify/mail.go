package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"noren"
)

// MailOptions say how mail leaves.
type MailOptions struct {
	Server   string // host:port
	TLS      string // starttls, tls, or none on loopback; "" is tls at port 465, else starttls
	User     string
	Password string // never logged
	From     string // address, or Name <address>
	// Allow names networks of this machine and its neighbours that the server's
	// name may lead to. An address that stands in Server itself is meant.
	Allow   []netip.Prefix
	RootCAs *x509.CertPool // the system's when nil
}

// Mail is a mail server that takes our messages.
type Mail struct {
	o      MailOptions
	host   string
	port   int
	from   *mail.Address
	domain string
}

// Words for TLS in MailOptions.
const (
	startTLS = "starttls"
	fullTLS  = "tls"
	noTLS    = "none"
)

// NewMail checks the options; nothing is connected yet.
func NewMail(o MailOptions) (*Mail, error) {
	host, port, err := net.SplitHostPort(o.Server)
	number, perr := strconv.Atoi(port)
	if err != nil || perr != nil || host == "" || number < 1 || number > 65535 || strings.ContainsAny(o.Server, " \r\n") {
		return nil, noren.Errorf(noren.Invalid, "mail server %q is not a host and port such as smtp.example.jp:587", CleanLine(o.Server, 100))
	}
	from, err := mail.ParseAddress(o.From)
	if err != nil || !validMail(from.Address) {
		return nil, noren.Errorf(noren.Invalid, "mail from %q is not an address such as noren@shop.example.jp", CleanLine(o.From, 100))
	}
	from.Name = CleanLine(from.Name, 60)
	if from.Name == "" {
		from.Name = "Noren"
	}
	literal, err := netip.ParseAddr(host)
	if err == nil {
		o.Allow = append(slices.Clone(o.Allow), netip.PrefixFrom(literal.Unmap().WithZone(""), literal.Unmap().BitLen()))
	}
	if host == "localhost" {
		o.Allow = append(slices.Clone(o.Allow), loopback()...)
	}
	if o.TLS == "" {
		o.TLS = map[bool]string{true: fullTLS, false: startTLS}[number == 465]
	}
	if !slices.Contains([]string{startTLS, fullTLS, noTLS}, o.TLS) {
		return nil, noren.Errorf(noren.Invalid, "mail tls %q is not starttls, tls or none", CleanLine(o.TLS, 20))
	}
	if o.TLS == noTLS && host != "localhost" && !literal.IsLoopback() {
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "mail without TLS goes to this machine alone (localhost), not to %s", host),
			"Take tls: none out; every mail provider speaks STARTTLS at port 587 or TLS at 465.")
	}
	if (o.User == "") != (o.Password == "") {
		return nil, noren.Errorf(noren.Invalid, "mail needs user and password, or neither")
	}
	return &Mail{o: o, host: host, port: number, from: from, domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:]}, nil
}

func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Server is where mail goes, for reports.
func (m *Mail) Server() string { return m.o.Server }

// send hands one message to the server.
func (m *Mail) send(ctx context.Context, to *Receiver, l *letter) error {
	msg, err := m.message(to, l)
	if err != nil {
		return refused(err)
	}
	c, err := m.client()
	if err != nil {
		return refused(err)
	}
	if err := c.DialWithContext(ctx); err != nil {
		return m.fault("mail server "+m.o.Server, err)
	}
	defer c.Close() // what was sent is sent; a QUIT that fails changes nothing
	if err := c.Send(msg); err != nil {
		return m.fault("mail server "+m.o.Server+" did not take the message", err)
	}
	return nil
}

// fault tells apart what trying again may mend. Messages of the library name the
// receiver; ours do not need to.
func (m *Mail) fault(what string, err error) error {
	text := err.Error()
	if i := strings.Index(text, ", affected recipient(s)"); i >= 0 {
		text = text[:i]
	}
	if m.o.Password != "" {
		text = strings.ReplaceAll(text, m.o.Password, "***")
	}
	out := noren.WithHint(noren.Errorf(noren.Unavailable, "%s: %s", what, CleanLine(text, 300)), hintFor(err))
	if s, ok := errors.AsType[*gomail.SendError](err); ok && s.ErrorCode() >= 500 {
		return refused(out)
	}
	if noren.CodeOf(err) == noren.Denied || strings.HasPrefix(text, "5") || strings.Contains(text, " 5.7.") {
		return refused(out)
	}
	return out
}

func hintFor(err error) string {
	text := err.Error()
	switch {
	case noren.HintOf(err) != "":
		return noren.HintOf(err)
	case strings.Contains(text, "x509:") || strings.Contains(text, "certificate"):
		return "Write the name in mail.server that stands in the server's certificate."
	case strings.Contains(text, "STARTTLS"):
		return "Use port 465 with tls: tls, or ask the provider for its port with STARTTLS."
	case strings.Contains(text, "535") || strings.Contains(text, "AUTH"):
		return "Look at mail.user and the password it refers to; many providers want an app password."
	}
	return "Look at mail.server, and whether this machine may connect to it; `noren notify test` tries again."
}

func (m *Mail) client() (*gomail.Client, error) {
	opts := []gomail.Option{
		gomail.WithPort(m.port), gomail.WithTimeout(sendFor), gomail.WithTLSConfig(m.tls()),
		gomail.WithDialContextFunc(m.dial), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithHELO("localhost"),
	}
	if ascii(m.domain) {
		opts = append(opts, gomail.WithHELO(m.domain))
	}
	if m.o.TLS == startTLS {
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.o.User != "" {
		opts = append(opts, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin),
			gomail.WithUsername(m.o.User), gomail.WithPassword(m.o.Password))
	}
	return gomail.NewClient(m.host, opts...)
}

func (m *Mail) tls() *tls.Config {
	return &tls.Config{ServerName: m.host, RootCAs: m.o.RootCAs, MinVersion: tls.VersionTLS12}
}

// dial connects to addresses that are meant only, and begins TLS where the port
// speaks nothing else.
func (m *Mail) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: sendFor, Control: guard(m.o.Allow)}
	if m.o.TLS != fullTLS {
		return d.DialContext(ctx, network, address)
	}
	return (&tls.Dialer{NetDialer: d, Config: m.tls()}).DialContext(ctx, network, address)
}

// message writes the mail. Every header is ours, or one encoded line.
func (m *Mail) message(to *Receiver, l *letter) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	if err := msg.To(to.Mail); err != nil {
		return nil, noren.Errorf(noren.Invalid, "the mail address of %s cannot be used", to.Name)
	}
	msg.SetGenHeaderPreformatted(gomail.HeaderSubject, encodeSubject(l.subject))
	msg.SetMessageIDWithValue(l.id + "@" + m.domain)
	msg.SetDateWithValue(time.Now())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday replies
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetGenHeader("List-Id", "<noren."+m.domain+">")
	msg.SetGenHeader("Noren-Severity", l.severity.String())
	if l.severity == High {
		msg.SetGenHeader("Importance", "high")
	}
	msg.SetBodyString(gomail.TypeTextPlain, crlf(l.plain()))
	if l.html != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, crlf(l.html))
	}
	return msg, nil
}

func crlf(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// encodeSubject writes a subject as RFC 2047 asks: lines of at most 76 letters,
// each encoded word whole letters of UTF-8. The library would begin a long one on
// a line of its own, which some mail programs show as no subject at all.
func encodeSubject(s string) string {
	s = CleanLine(s, 250)
	if ascii(s) && len(s) <= 66 && !strings.Contains(s, "=?") {
		return s
	}
	const most = 39 // bytes a word: 52 letters in base 64 and 12 around them
	var lines []string
	for s != "" {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n+size > most {
				break
			}
			n += size
		}
		lines = append(lines, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(lines, "\r\n ")
}
