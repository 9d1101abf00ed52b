package exposure

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func plans() map[string]*Plan {
	return map[string]*Plan{
		"least":   {SSHPort: 22, Web: []uint16{80, 443}},
		"http3":   {SSHPort: 2222, Web: []uint16{443}, HTTP3: true},
		"all":     {SSHPort: 22, SSHFrom: prefixes("198.51.100.0/28", "203.0.113.7/32", "2001:db8::/32"), Web: []uint16{80, 443}, HTTP3: true, More: []uint16{25, 993}, Banned: prefixes("192.0.2.0/24", "192.0.2.7/32", "2001:db8:bad::/48")},
		"v6 only": {SSHPort: 22, SSHFrom: prefixes("2001:db8::/32"), Web: []uint16{443}},
	}
}

// inNamespace runs nft in a network of its own; it skips where the system does
// not allow one.
func inNamespace(t *testing.T, script string) string {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed (Debian package nftables)")
	}
	if out, err := exec.Command("unshare", "-rn", "nft", "list", "ruleset").CombinedOutput(); err != nil {
		t.Skipf("this system gives no network namespace to test in: %v %s", err, out)
	}
	out, err := exec.Command("unshare", "-rn", "sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// The real nft takes every plan, twice in a row, beside a foreign table that
// stays.
func TestNFTTakesThePlans(t *testing.T) {
	for name, p := range plans() {
		t.Run(name, func(t *testing.T) {
			if err := p.Valid(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "noren.nft")
			if err := os.WriteFile(file, []byte(p.NFT()), 0o600); err != nil {
				t.Fatal(err)
			}
			out := inNamespace(t, "nft add table inet other; nft -c -f "+file+"; nft -f "+file+"; nft -f "+file+"; nft list ruleset")
			for _, want := range []string{"table inet other", "policy drop", "ct state established,related accept"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			if n := strings.Count(out, "table inet noren"); n != 1 {
				t.Errorf("%d tables", n)
			}
		})
	}
}

// By traffic: two namespaces with a cable between them; what the plan lets in
// connects, what it does not is dropped, IPv4 and IPv6.
func TestNFTByTraffic(t *testing.T) {
	for _, tool := range []string{"ip", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	p := &Plan{SSHPort: 22, SSHFrom: prefixes("10.9.0.3/32", "fd09::3/128"), Web: []uint16{80, 443}, More: []uint16{25}, Banned: prefixes("10.9.0.4/32")}
	dir := t.TempDir()
	file := filepath.Join(dir, "noren.nft")
	if err := os.WriteFile(file, []byte(p.NFT()), 0o600); err != nil {
		t.Fatal(err)
	}
	probe := filepath.Join(dir, "probe.py")
	if err := os.WriteFile(probe, []byte(probeScript), 0o600); err != nil {
		t.Fatal(err)
	}
	out := inNamespace(t, `
ip link set lo up
unshare -n sleep 60 & far=$!
trap 'kill $far' EXIT
for i in $(seq 100); do [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break; sleep 0.05; done
ip link add near type veth peer name far || { echo NOVETH; exit 0; }
ip link set far netns $far
ip addr add 10.9.0.1/24 dev near; ip -6 addr add fd09::1/64 dev near nodad; ip link set near up
f() { nsenter --net=/proc/$far/ns/net "$@"; }
f ip link set far up
for n in 2 3 4; do f ip addr add 10.9.0.$n/24 dev far; f ip -6 addr add fd09::$n/64 dev far nodad; done
nft -f `+file+`
python3 `+probe+` serve & srv=$!
trap 'kill $far $srv' EXIT
for i in $(seq 100); do python3 `+probe+` try 127.0.0.1 127.0.0.1 3306 | grep -q open && break; sleep 0.1; done
for from in 10.9.0.2 10.9.0.3 10.9.0.4; do for port in 22 25 80 443 3306; do f python3 `+probe+` try $from 10.9.0.1 $port; done; done
for from in fd09::2 fd09::3; do for port in 22 443 3306; do f python3 `+probe+` try $from fd09::1 $port; done; done
`)
	if strings.Contains(out, "NOVETH") {
		t.Skip("this system makes no veth pair")
	}
	var open []string
	for l := range strings.SplitSeq(out, "\n") {
		if who, ok := strings.CutSuffix(l, " open"); ok {
			open = append(open, who)
		}
	}
	want := []string{
		"10.9.0.2 25", "10.9.0.2 80", "10.9.0.2 443", // anybody: mail and web
		"10.9.0.3 22", "10.9.0.3 25", "10.9.0.3 80", "10.9.0.3 443", // the office: SSH too
		"fd09::2 443", "fd09::3 22", "fd09::3 443",
	}
	open = slices.DeleteFunc(open, func(s string) bool { return strings.HasPrefix(s, "127.") })
	if !slices.Equal(open, want) {
		t.Errorf("open: %q\nwant: %q\n%s", open, want, out)
	}
}

const probeScript = `
import socket, sys
if sys.argv[1] == "serve":
    import selectors
    sel = selectors.DefaultSelector()
    for port in (22, 25, 80, 443, 3306):
        s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("::", port)); s.listen(64); sel.register(s, 1)
    while True:
        for key, _ in sel.select(): key.fileobj.accept()[0].close()
_, _, frm, to, port = sys.argv
s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET); s.settimeout(1)
try:
    s.bind((frm, 0)); s.connect((to, int(port))); print(frm, port, "open")
except OSError as e: print(frm, port, "closed")
`

func TestLocksOut(t *testing.T) {
	p := plans()["all"]
	for client, silent := range map[string]bool{"203.0.113.7": true, "::ffff:203.0.113.7": true, "2001:db8::9": true, "192.0.2.1": false} {
		if got := p.LocksOut(netip.MustParseAddr(client)); (got.En == "") != silent {
			t.Errorf("%s: %q", client, got.En)
		}
	}
	if p.LocksOut(netip.Addr{}).En == "" {
		t.Error("an unknown place is not spoken of")
	}
	if plans()["least"].LocksOut(netip.Addr{}).En != "" {
		t.Error("SSH is open to all, and somebody is said to be locked out")
	}
}

func TestOtherForms(t *testing.T) {
	p := plans()["all"]
	for _, want := range []string{"ufw default deny incoming", "ufw allow from 198.51.100.0/28 to any port 22 proto tcp", "ufw allow 443/udp", "ufw insert 1 deny from 192.0.2.0/24", "ufw allow 25/tcp"} {
		if !strings.Contains(p.UFW(), want) {
			t.Errorf("ufw: no %q in\n%s", want, p.UFW())
		}
	}
	if strings.Contains(p.UFW(), "ufw limit") || !strings.Contains(plans()["least"].UFW(), "ufw limit 22/tcp") {
		t.Error("ufw: SSH")
	}
	for _, lang := range []string{"ja", "en"} {
		if c := p.Cloud(lang); !strings.Contains(c, "2001:db8::/32") || strings.Contains(c, "22     0.0.0.0/0") {
			t.Error(c)
		}
	}
	if !bytes.Contains([]byte(p.NFT()), []byte("203.0.113.7, 198")) && !strings.Contains(p.NFT(), "198.51.100.0/28, 203.0.113.7") {
		t.Error(p.NFT())
	}
}
