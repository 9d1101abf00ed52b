package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"noren"
)

const originSecret = "0123456789abcdef0123456789abcdef"

var visitorLine = regexp.MustCompile(`^t=(\d+); addr=([0-9a-f.:]+); zone=(\w+); sig=([0-9a-f]{64})$`)

// TestOriginLock: the shop gets the secret and a signature that holds for this
// request alone; what a visitor sends under the names never arrives.
func TestOriginLock(t *testing.T) {
	var got http.Header
	var line string
	s := stand(t, func(o *Options) {
		o.Settings.OriginSecrets = map[string]string{"shop": originSecret}
		o.Settings.Sites[0].Upstream = shopServer(t, func(_ http.ResponseWriter, r *http.Request) {
			got, line = r.Header.Clone(), r.Method+"\n"+r.RequestURI+"\n"+r.Host
		})
	})
	s.do("GET", "/products/list?name=%E6%80%A5%E9%A0%88&a=1;b", "", "Noren-Origin: forged", "Noren-Visitor: t=1; addr=192.0.2.1; zone=admin; sig=00")
	if h := got["Noren-Origin"]; len(h) != 1 || h[0] != originSecret {
		t.Errorf("Noren-Origin: %q", h)
	}
	m := visitorLine.FindStringSubmatch(got.Get("Noren-Visitor"))
	if len(got["Noren-Visitor"]) != 1 || m == nil {
		t.Fatalf("Noren-Visitor: %q", got["Noren-Visitor"])
	}
	mac := hmac.New(sha256.New, []byte(originSecret))
	fmt.Fprintf(mac, "noren visitor 1\n%s\n%s\n%s\n%s", m[1], line, m[2], m[3])
	if m[4] != hex.EncodeToString(mac.Sum(nil)) || m[2] != "127.0.0.1" || m[3] != "search" {
		t.Errorf("%s does not sign %q", m[0], line)
	}
}

func TestWithoutOriginSecretNothingIsSent(t *testing.T) {
	s := stand(t, nil)
	_, body := s.do("GET", "/", "", "Noren-Origin: forged", "Noren-Visitor: forged")
	if strings.Contains(body, "has Noren-Origin") || strings.Contains(body, "has Noren-Visitor") {
		t.Errorf("the shop got\n%s", body)
	}
}

func TestOriginSecretsThatCannotBe(t *testing.T) {
	s := stand(t, nil)
	for _, wrong := range []string{"short", strings.Repeat("x", 300), originSecret + "\r\nX: y", originSecret + " ", `"` + originSecret} {
		err := s.Apply(Settings{Sites: s.Sites(), OriginSecrets: map[string]string{"shop": wrong}})
		if noren.CodeOf(err) != noren.Invalid || strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestDocumentedPHPReadsTheVisitor runs the function of docs/operate/origin.md,
// where there is a PHP.
func TestDocumentedPHPReadsTheVisitor(t *testing.T) {
	php, err := exec.LookPath("php")
	if err != nil {
		t.Skip("no php here")
	}
	_, doc, _ := strings.Cut(readText(t, "../docs/operate/origin.md"), "```php\nfunction")
	code, _, ok := strings.Cut(doc, "```")
	if !ok {
		t.Fatal("the guide has no function")
	}
	const when = "time()"
	program := `function` + code + `
$t = (string)` + when + `;
$said = "noren visitor 1\n$t\nPOST\n/kanri/order?id=1\nshop.example.jp\n203.0.113.7\nadmin";
$_SERVER = ['REQUEST_METHOD' => 'POST', 'REQUEST_URI' => '/kanri/order?id=1', 'HTTP_HOST' => 'shop.example.jp',
  'HTTP_NOREN_VISITOR' => "t=$t; addr=203.0.113.7; zone=admin; sig=" . hash_hmac('sha256', $said, 'k')];
echo json_encode(noren_visitor('k'));
$_SERVER['REQUEST_URI'] = '/kanri/customer'; echo json_encode(noren_visitor('k'));
unset($_SERVER['HTTP_NOREN_VISITOR']); echo json_encode(noren_visitor('k'));`
	out, err := exec.Command(php, "-r", program).CombinedOutput()
	if err != nil || string(out) != `{"address":"203.0.113.7","zone":"admin"}nullnull` {
		t.Errorf("%v: %s", err, out)
	}
}
