package lab

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// hostileRequest is one of what is dear to read.
type hostileRequest struct {
	kind        string
	method      string
	query       string
	contentType string
	packed      bool // with gzip
	cookie      string
	body        []byte
	attack      bool // it carries hostileAttack, in whole
}

const (
	fieldsType    = "application/x-www-form-urlencoded"
	jsonType      = "application/json"
	multipartType = "multipart/form-data; boundary=x"
)

// hostilePaths are where they go: zones that take forms of different sizes, one of
// which no mode of the shop may close.
var hostilePaths = [...]string{"/contact", "/products/hojicha", "/payment/notify/cards"}

// hostileText almost matches: what honest customers write, and what rules begin with.
const hostileText = "お茶を 100g ('ほうじ茶') select と union の違い <br> ${名前} a&b; /* 注 */ -- "

// hostileStrings hurt patterns that go back and forth.
var hostileStrings = []string{"(", "<", "<!--", "/*/", "'or ", "%u00", "&#", `\\`, "${", "=(", " ", "select ", "a=a ", "..%2f", "{{", "a,", "0x", "\"'", "@@", "--\n", "<a on", "http://"}

// hostileKinds make the requests.
var hostileKinds = []func(r *rand.Rand) hostileRequest{
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "long and honest", contentType: fieldsType, body: []byte("note=" + escaped(strings.Repeat("お茶を百グラム、急須をひとつお願いします。", 1+r.IntN(2000))))}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "huge field", contentType: fieldsType, body: []byte("note=" + escaped(filler(r)))}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "attack after a huge field", contentType: fieldsType, body: []byte("a=1&note=" + escaped(filler(r)+hostileAttack)), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "attack in JSON after much", contentType: jsonType, body: fmt.Appendf(nil, `{"a":%q,"b":[{"c":%q}]}`, filler(r), hostileAttack), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		body := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + filler(r) + "\r\n--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n" + hostileAttack + "\r\n--x--\r\n"
		return hostileRequest{kind: "attack in multipart after much", contentType: multipartType, body: []byte(body), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "attack after 5 MB", contentType: fieldsType, body: []byte("note=" + strings.Repeat("a", 5<<20) + escaped(hostileAttack)), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "attack in a query", method: http.MethodGet, query: "q=" + escaped(strings.Repeat("茶", r.IntN(300))+hostileAttack), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "attack in a cookie", method: http.MethodGet, cookie: "seen=" + strings.Repeat("a", r.IntN(3000)) + hostileAttack, attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		n := 1000 + r.IntN(50_000)
		return hostileRequest{kind: "deep JSON", contentType: jsonType, body: fmt.Appendf(nil, "%s%q%s", strings.Repeat("[", n), hostileAttack, strings.Repeat("]", n)), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "wide JSON", contentType: jsonType, body: []byte("{" + strings.Repeat(`"a":1,`, 1+r.IntN(80_000)) + `"b":2}`)}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "broken JSON", contentType: jsonType, body: fmt.Appendf(nil, `{"a":%q,"b":"%s`, hostileAttack, strings.Repeat(`\u00`, r.IntN(5000))), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "many fields", contentType: fieldsType, body: []byte(strings.Repeat("a&", r.IntN(250_000)) + "b=" + escaped(hostileAttack)), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		part := "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b;c='d\\\"\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n1\r\n"
		return hostileRequest{kind: "many parts", contentType: multipartType, body: []byte(strings.Repeat(part, 1+r.IntN(3000)) + "--x--\r\n")}
	},
	func(r *rand.Rand) hostileRequest {
		odd := []string{"", "--x", "--x\r\n\r\n", "--x\nContent-Disposition: form-data\n\n", "--x\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n", "--x--\r\n--x\r\n"}
		var body strings.Builder
		for range 1 + r.IntN(400) {
			body.WriteString(odd[r.IntN(len(odd))] + hostileAttack + "\r\n")
		}
		return hostileRequest{kind: "odd multipart", contentType: multipartType, body: []byte(body.String()), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		s := hostileStrings[r.IntN(len(hostileStrings))]
		return hostileRequest{kind: "strings that hurt", contentType: fieldsType, body: []byte("note=" + escaped(strings.Repeat(s, 1+r.IntN(40_000)/len(s))+"!"))}
	},
	func(r *rand.Rand) hostileRequest {
		return hostileRequest{kind: "packed to nothing", contentType: fieldsType, packed: true, body: packed("note=" + strings.Repeat("a", 4<<20) + escaped(hostileAttack)), attack: true}
	},
}

// rushKinds are attacks behind as much padding as every zone takes.
var rushKinds = []func(r *rand.Rand) hostileRequest{
	func(r *rand.Rand) hostileRequest {
		text := strings.Repeat(hostileText, 1+r.IntN(100)) // up to 50 KiB in a form
		return hostileRequest{kind: "rush", contentType: fieldsType, body: []byte("note=" + escaped(text+hostileAttack)), attack: true}
	},
	func(r *rand.Rand) hostileRequest {
		text := strings.Repeat("お茶を百グラム、急須をひとつお願いします。", 1+r.IntN(200))
		return hostileRequest{kind: "rush", contentType: jsonType, body: fmt.Appendf(nil, `{"note":%q,"to":%q}`, text, hostileAttack), attack: true}
	},
}

// filler is text of up to half a mebibyte that almost matches, with a hurtful string
// now and then.
func filler(r *rand.Rand) string {
	size := []int{8 << 10, 64 << 10, 128 << 10, 480 << 10}[r.IntN(4)]
	unit := hostileText
	if r.IntN(4) == 0 {
		unit += strings.Repeat(hostileStrings[r.IntN(len(hostileStrings))], 20)
	}
	// In a form each byte outside ASCII is three.
	return strings.Repeat(unit, max(size/3/len(unit), 1))
}

func escaped(s string) string { return url.QueryEscape(s) }

func packed(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.Bytes()
}

// hand sends one request after the other, each from another address, as who hires
// a botnet can.
func (h *hostile) hand(ctx context.Context, i int, kinds []func(*rand.Rand) hostileRequest) {
	r := rand.New(rand.NewPCG(h.p.Seed, uint64(i)))
	for n := 0; ctx.Err() == nil; n++ {
		q := kinds[(n+i)%len(kinds)](r) // each as often as any other, so that one time compares with the next
		status, err := h.send(ctx, q, hostilePaths[r.IntN(len(hostilePaths))], netip.AddrFrom4([4]byte{127, byte(130 + i), byte(n / 250), byte(1 + n%250)}))
		if ctx.Err() != nil {
			return
		}
		h.note(q, status, err)
		wait(ctx, 10*time.Millisecond)
	}
}

func (h *hostile) send(ctx context.Context, q hostileRequest, path string, from netip.Addr) (status int, err error) {
	over := transport(from)
	defer over.CloseIdleConnections()
	method := q.method
	if method == "" {
		method = http.MethodPost
	}
	target := "http://" + h.addr + path
	if q.query != "" {
		target += "?" + q.query
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(q.body))
	if err != nil {
		return 0, err
	}
	req.Host = hostileHost
	req.Header.Set("User-Agent", profiles()[3].agent)
	req.Header.Set("Accept", "text/html")
	if q.contentType != "" {
		req.Header.Set("Content-Type", q.contentType)
	}
	if q.packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	if q.cookie != "" {
		req.Header.Set("Cookie", q.cookie)
	}
	res, err := over.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

// note counts an answer. No answer at all is one: who sends too much is cut off.
func (h *hostile) note(q hostileRequest, status int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent++
	if h.answers[q.kind] == nil {
		h.answers[q.kind] = map[int]int64{}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		status = -1 // nobody is kept waiting for half a minute
	}
	h.answers[q.kind][status]++
	if q.attack && status >= 200 && status < 400 {
		h.opened = append(h.opened, fmt.Sprintf("%s: %d", q.kind, status))
	}
}
