package exposure

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The real /proc of this machine: our own listeners are there, with our name.
func TestOwnListenersAreSeen(t *testing.T) {
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("no /proc")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	sockets, err := Listening("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tcp " + l.Addr().String(), "udp " + u.LocalAddr().String()} {
		i := slices.IndexFunc(sockets, func(s Socket) bool { return s.Proto+" "+s.At.String() == want })
		if i < 0 || sockets[i].Process == "" {
			t.Errorf("%s is not seen, or not as ours: %v", want, sockets)
		}
	}
}

func TestTables(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "net"), 0o700)
	write := func(name, text string) { os.WriteFile(filepath.Join(dir, "net", name), []byte(text), 0o600) }
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	write("tcp", head+"   0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   109        0 1 1 0\n"+
		"   1: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   109        0 2 1 0\n"+
		"   2: 0A00000A:0016 0B00000A:C000 01 00000000:00000000 00:00000000 00000000   109        0 3 1 0\n")
	write("tcp6", head+"   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4 1 0\n"+
		"   1: B80D0120000000000000000001000000:0CEA 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5 1 0\n")
	got, err := Listening(dir)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, s := range got {
		text = append(text, s.Proto+" "+s.At.String())
	}
	if want := "tcp 127.0.0.1:3306 tcp 0.0.0.0:6379 tcp [::]:443 tcp [2001:db8::1]:3306"; strings.Join(text, " ") != want {
		t.Errorf("%v", text)
	}
	if _, err := Listening(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a system without tables")
	}
	write("tcp", head+"   0: zz:0CEA 00000000:0000 0A 0 0 0 0 0 0 1\n")
	if _, err := Listening(dir); err == nil {
		t.Error("nonsense")
	}
}

func TestAssess(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	known := Known{Own: []netip.AddrPort{at("0.0.0.0:443"), at("0.0.0.0:80")}, Upstreams: []netip.AddrPort{at("127.0.0.1:3000"), at("127.0.0.1:8080")}}
	for _, tt := range []struct {
		socket Socket
		want   string // severity service reach; "" for none
	}{
		{Socket{Proto: "tcp", At: at("127.0.0.1:3306")}, ""},
		{Socket{Proto: "tcp", At: at("[::1]:6379")}, ""},
		{Socket{Proto: "tcp", At: at("0.0.0.0:443")}, ""},
		{Socket{Proto: "tcp", At: at("[::]:80")}, ""},
		{Socket{Proto: "tcp", At: at("0.0.0.0:3306")}, "danger MySQL / MariaDB world"},
		{Socket{Proto: "tcp", At: at("[::]:5432")}, "danger PostgreSQL world"},
		{Socket{Proto: "tcp", At: at("203.0.113.80:7000"), Process: "redis-server"}, "danger Redis / Valkey world"},
		{Socket{Proto: "tcp", At: at("10.0.0.5:6379")}, "warn Redis / Valkey network"},
		{Socket{Proto: "udp", At: at("0.0.0.0:11211")}, "danger Memcached world"},
		{Socket{Proto: "tcp", At: at("0.0.0.0:2375")}, "danger Docker API world"},
		{Socket{Proto: "tcp", At: at("0.0.0.0:21")}, "warn FTP world"},
		{Socket{Proto: "tcp", At: at("0.0.0.0:10000")}, "warn Webmin world"},
		{Socket{Proto: "tcp", At: at("0.0.0.0:3000")}, "warn the shop itself world"},
		{Socket{Proto: "tcp", At: at("[::]:8080")}, "warn the shop itself world"},
		{Socket{Proto: "tcp", At: at("0.0.0.0:22")}, "note SSH world"},
		{Socket{Proto: "udp", At: at("0.0.0.0:54321")}, ""},
		{Socket{Proto: "tcp", At: at("0.0.0.0:54321")}, "note unknown world"},
	} {
		got := ""
		for _, f := range Assess([]Socket{tt.socket}, known) {
			got = fmt.Sprintf("%s %s %s", f.Severity, f.Service, f.Reach)
			if f.Why.Ja == "" || f.Why.En == "" || f.Mend.Ja == "" || f.Mend.En == "" {
				t.Errorf("%v: not in words", tt.socket)
			}
		}
		if got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.socket.Proto, tt.socket.At, got, tt.want)
		}
	}
	both := Assess([]Socket{{Proto: "tcp", At: at("0.0.0.0:22")}, {Proto: "tcp", At: at("[::]:22")}, {Proto: "tcp", At: at("0.0.0.0:6379")}}, known)
	if len(both) != 2 || both[0].Severity != Danger {
		t.Errorf("one program twice, or not the worst first: %+v", both)
	}
}

func TestHidden(t *testing.T) {
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{nil, "no sign of a firewall"},
		{map[string]string{"etc/ufw/ufw.conf": "ENABLED=yes\n", "etc/default/ufw": "DEFAULT_INPUT_POLICY=\"DROP\"\n"}, "ufw is on and refuses"},
		{map[string]string{"etc/ufw/ufw.conf": "ENABLED=yes\n", "etc/default/ufw": "DEFAULT_INPUT_POLICY=\"ACCEPT\"\n"}, "not known to refuse"},
		{map[string]string{"etc/ufw/ufw.conf": "ENABLED=no\n", "proc/modules": "nf_tables 303104 1\n"}, "only root may read"},
	} {
		root := t.TempDir()
		for name, text := range tt.files {
			os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700)
			os.WriteFile(filepath.Join(root, name), []byte(text), 0o600)
		}
		if got := Hidden(root); !strings.Contains(got.En, tt.want) || got.Ja == "" {
			t.Errorf("%v: %q", tt.files, got.En)
		}
	}
}

func TestPanels(t *testing.T) {
	everything := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	pma := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/phpmyadmin/" || r.Host != "shop.example.jp" {
			http.NotFound(w, r)
		}
	})
	for _, tt := range []struct {
		h    http.Handler
		want []string
	}{{pma, []string{"/phpmyadmin/"}}, {everything, nil}, {http.NotFoundHandler(), nil}} {
		s := httptest.NewServer(tt.h)
		if got := Panels(context.Background(), s.URL, "shop.example.jp"); !slices.Equal(got, tt.want) {
			t.Errorf("%v, want %v", got, tt.want)
		}
		s.Close()
	}
}

func FuzzTable(f *testing.F) {
	f.Add("sl\n 0: 0100007F:0CEA 00000000:0000 0A 0 0 0 0 0 0 1\n")
	f.Add("\n 0: :: : 0A 0 0 0 0 0 0 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		sockets, err := readTable(strings.NewReader(text), "tcp", "0A")
		for _, s := range sockets {
			if err == nil && (!s.At.IsValid() || s.At.Port() == 0) {
				t.Fatalf("%+v", s)
			}
		}
	})
}
