package exposure

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"noren"
)

// Plan is what a firewall should let in; everything else is dropped.
type Plan struct {
	SSHPort uint16
	SSHFrom []netip.Prefix // nobody else may use SSH; empty: everybody, slowly
	Web     []uint16       // TCP ports of Noren
	HTTP3   bool
	More    []uint16 // further TCP ports, such as a mail server's
	Banned  []netip.Prefix
}

// Valid reports what is wrong with a plan.
func (p *Plan) Valid() error {
	if p.SSHPort == 0 || len(p.Web) == 0 || slices.Contains(p.Web, 0) || slices.Contains(p.More, 0) {
		return noren.Errorf(noren.Invalid, "a port is 0")
	}
	for _, n := range slices.Concat(p.SSHFrom, p.Banned) {
		if !n.IsValid() || n != n.Masked() {
			return noren.Errorf(noren.Invalid, "%v is not a network", n)
		}
	}
	return nil
}

// LocksOut says who would lose SSH: the reason in words, "" for nobody known.
// client is where the operator is connected from, invalid when it is not known.
func (p *Plan) LocksOut(client netip.Addr) noren.Text {
	if len(p.SSHFrom) == 0 {
		return noren.Text{}
	}
	if !client.IsValid() {
		return noren.Text{
			Ja: "SSH は --allow-ssh-from の場所からだけになります。適用する前に、いまの接続元が含まれているか必ず確かめてください",
			En: "SSH will work from the places of --allow-ssh-from alone; before you apply this make sure that yours is among them",
		}
	}
	client = client.Unmap().WithZone("")
	if slices.ContainsFunc(p.SSHFrom, func(n netip.Prefix) bool { return n.Contains(client) }) {
		return noren.Text{}
	}
	return noren.Text{
		Ja: fmt.Sprintf("いまの接続元 %s は --allow-ssh-from に含まれていません。このまま適用すると、SSH でつながらなくなります", client),
		En: fmt.Sprintf("you are connected from %s, which is not among --allow-ssh-from: applied like this, you lock yourself out of SSH", client),
	}
}

// NFT is the plan as a file for nft -f. It replaces its own table as a whole and
// leaves every other table alone (Docker's, for example).
func (p *Plan) NFT() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w(`#!/usr/sbin/nft -f
# Made by: noren firewall print. Nothing was applied.
#
#   nft -c -f noren.nft      check it
#   nft -f noren.nft         apply it until the next start
#   At every start: save it as /etc/nftables.d/noren.nft, add the line
#   include "/etc/nftables.d/*.nft" to /etc/nftables.conf, systemctl enable nftables
#
# Try it with a way back, in case you lock yourself out:
#   (sleep 120; nft delete table inet noren) & nft -f noren.nft
#
# The table is made anew each time; other tables stay as they are. What another
# table drops stays dropped, and ports that Docker publishes go past this one.
table inet noren
delete table inet noren
`)
	w("table inet noren {")
	set := func(name, kind string, nets []netip.Prefix) {
		w("\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\tauto-merge", name, kind)
		if len(nets) > 0 {
			w("\t\telements = { %s }", joined(nets, ", "))
		}
		w("\t}")
	}
	from4, from6 := families(p.SSHFrom)
	ban4, ban6 := families(p.Banned)
	w("\t# who may use SSH; empty means everybody\n")
	set("ssh_from4", "ipv4_addr", from4)
	set("ssh_from6", "ipv6_addr", from6)
	w("\n\t# whom Noren has banned, when this was made (noren firewall print --bans)\n")
	set("banned4", "ipv4_addr", ban4)
	set("banned6", "ipv6_addr", ban6)
	w(`
	# new SSH connections, counted for each address by itself: nobody can use up
	# somebody else's
	set ssh_seen4 {
		type ipv4_addr
		flags dynamic,timeout
		timeout 10m
		size 65535
	}
	set ssh_seen6 {
		type ipv6_addr
		flags dynamic,timeout
		timeout 10m
		size 65535
	}

	chain input {
		type filter hook input priority filter; policy drop;

		iifname "lo" accept
		ct state invalid drop
`)
	p.ssh(w)
	w(`		ip saddr @banned4 drop
		ip6 saddr @banned6 drop
		ct state established,related accept

		# without these IPv6 does not work (RFC 4890) and large packets get lost
		icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
		icmpv6 type echo-request limit rate 20/second burst 40 packets accept
		icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
		icmp type echo-request limit rate 20/second burst 40 packets accept

		# addresses by DHCP
		udp sport 67 udp dport 68 accept
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept

		# the shop, through Noren
		tcp dport { %s } accept`, ports(p.Web))
	if p.HTTP3 {
		w("\t\tudp dport 443 accept # HTTP/3")
	}
	if len(p.More) > 0 {
		w("\t\ttcp dport { %s } accept # as asked for", ports(p.More))
	}
	w(`
		counter comment "everything else"
	}
}`)
	return b.String()
}

// ssh stands before the bans: a ban must not lock the owner out.
func (p *Plan) ssh(w func(string, ...any)) {
	w("\t\t# SSH, before the bans, so that no ban locks you out")
	w("\t\ttcp dport %d ct state established accept", p.SSHPort)
	for _, f := range []struct{ ip, n string }{{"ip", "4"}, {"ip6", "6"}} {
		who := ""
		if len(p.SSHFrom) > 0 {
			who = fmt.Sprintf("%s saddr @ssh_from%s ", f.ip, f.n)
		}
		w("\t\t%stcp dport %d ct state new update @ssh_seen%s { %s saddr limit rate 10/minute burst 20 packets } accept", who, p.SSHPort, f.n, f.ip)
	}
	w("")
}

// UFW is the plan as commands for ufw.
func (p *Plan) UFW() string {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("# Made by: noren firewall print. Nothing was applied. ufw covers IPv4 and IPv6 (IPV6=yes in /etc/default/ufw).")
	w("ufw default deny incoming\nufw default allow outgoing")
	for i, n := range p.Banned {
		w("ufw insert %d deny from %s", i+1, n)
	}
	if len(p.SSHFrom) == 0 {
		w("ufw limit %d/tcp comment 'SSH'", p.SSHPort)
	}
	for _, n := range p.SSHFrom {
		w("ufw allow from %s to any port %d proto tcp comment 'SSH'", n, p.SSHPort)
	}
	for _, port := range slices.Concat(p.Web, p.More) {
		w("ufw allow %d/tcp", port)
	}
	if p.HTTP3 {
		w("ufw allow 443/udp comment 'HTTP/3'")
	}
	w("ufw enable")
	return b.String()
}

// Cloud is the plan as the table of a provider's security group.
func (p *Plan) Cloud(lang string) string {
	var b strings.Builder
	head := noren.Text{Ja: "方向      プロトコル  ポート  接続元", En: "direction  protocol  port   source"}
	b.WriteString(head.In(lang) + "\n")
	row := func(proto string, port any, from string) {
		fmt.Fprintf(&b, "%-10s %-9s %-6v %s\n", "inbound", proto, port, from)
	}
	everybody := []string{"0.0.0.0/0", "::/0"}
	for _, port := range slices.Concat(p.Web, p.More) {
		for _, from := range everybody {
			row("tcp", port, from)
		}
	}
	if p.HTTP3 {
		for _, from := range everybody {
			row("udp", 443, from)
		}
	}
	for _, n := range p.SSHFrom {
		row("tcp", p.SSHPort, n.String())
	}
	if len(p.SSHFrom) == 0 {
		for _, from := range everybody {
			row("tcp", p.SSHPort, from)
		}
	}
	row("icmp", "-", "0.0.0.0/0")
	row("icmpv6", "-", "::/0")
	b.WriteString(noren.Text{
		Ja: "これ以外の inbound はすべて拒否、outbound は許可（戻りの通信は自動で許されます）\n",
		En: "every other inbound refused, outbound allowed (answers are allowed by themselves)\n",
	}.In(lang))
	return b.String()
}

func families(nets []netip.Prefix) (v4, v6 []netip.Prefix) {
	for _, n := range nets {
		if n.Addr().Is4() {
			v4 = append(v4, n)
		} else {
			v6 = append(v6, n)
		}
	}
	return v4, v6
}

func joined(nets []netip.Prefix, sep string) string {
	s := make([]string, len(nets))
	for i, n := range nets {
		if s[i] = n.String(); n.IsSingleIP() {
			s[i] = n.Addr().String()
		}
	}
	return strings.Join(s, sep)
}

func ports(ps []uint16) string {
	ps = slices.Compact(slices.Sorted(slices.Values(ps)))
	s := make([]string, len(ps))
	for i, p := range ps {
		s[i] = fmt.Sprint(p)
	}
	return strings.Join(s, ", ")
}
