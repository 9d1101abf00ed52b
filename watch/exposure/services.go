package exposure

import "noren"

// Severity of something open to others.
type Severity string

// Severities.
const (
	Danger Severity = "danger" // anybody may read or change data, today
	Warn   Severity = "warn"   // a password alone stands between, or it should be hidden
	Note   Severity = "note"   // usual; look whether it is meant
)

// service is what is known of a port.
type service struct {
	name     string
	proto    string
	ports    []uint16
	programs []string // as /proc/PID/comm shows them
	severity Severity
	why      noren.Text
	mend     noren.Text
}

var (
	databaseWhy = noren.Text{
		Ja: "お客様の情報が入ったデータベースに、インターネットから直接つながります。パスワードを当てられる・未修正の弱点を突かれると、すべて持ち出されます",
		En: "The database with your customers' data can be reached from the internet; a guessed password or an unpatched hole gives all of it away",
	}
	noPasswordWhy = noren.Text{
		Ja: "パスワードなしで誰でも読み書きできるのが初期設定です。見つかると数時間で中身を盗まれ、サーバーを乗っ取られることもあります",
		En: "As shipped it asks for no password: whoever finds it reads and changes everything, and may take the server over within hours",
	}
	panelWhy = noren.Text{
		Ja: "サーバーの管理画面です。パスワード1つで、お店のすべてを書き換えられます",
		En: "An administration panel: one password is all that stands before everything of the shop",
	}
)

// services is what an operator should know of ports, worst first.
var services = []service{
	{"Redis / Valkey", "tcp", []uint16{6379, 6380}, []string{"redis-server", "valkey-server"}, Danger, noPasswordWhy,
		noren.Text{Ja: "redis.conf（valkey.conf）に bind 127.0.0.1 -::1 と protected-mode yes を書き、再起動します", En: "redis.conf (valkey.conf): bind 127.0.0.1 -::1 and protected-mode yes, then restart"}},
	{"Memcached", "tcp", []uint16{11211}, []string{"memcached"}, Danger, noPasswordWhy,
		noren.Text{Ja: "/etc/memcached.conf に -l 127.0.0.1 と -U 0 を書き、再起動します", En: "/etc/memcached.conf: -l 127.0.0.1 and -U 0, then restart"}},
	{"Memcached", "udp", []uint16{11211}, []string{"memcached"}, Danger, noPasswordWhy,
		noren.Text{Ja: "/etc/memcached.conf に -l 127.0.0.1 と -U 0 を書き、再起動します", En: "/etc/memcached.conf: -l 127.0.0.1 and -U 0, then restart"}},
	{"MongoDB", "tcp", []uint16{27017, 27018}, []string{"mongod"}, Danger, noPasswordWhy,
		noren.Text{Ja: "/etc/mongod.conf の net: に bindIp: 127.0.0.1 を書き、再起動します", En: "/etc/mongod.conf, under net: bindIp: 127.0.0.1, then restart"}},
	{"Elasticsearch / OpenSearch", "tcp", []uint16{9200, 9300}, nil, Danger, noPasswordWhy,
		noren.Text{Ja: "elasticsearch.yml（opensearch.yml）に network.host: 127.0.0.1 を書き、再起動します", En: "elasticsearch.yml (opensearch.yml): network.host: 127.0.0.1, then restart"}},
	{"Docker API", "tcp", []uint16{2375, 2376}, []string{"dockerd"}, Danger,
		noren.Text{Ja: "つながった人は、このサーバーで何でも実行できます（管理者権限と同じです）", En: "Whoever connects may run anything on this server, as root"},
		noren.Text{Ja: "dockerd の起動オプションと /etc/docker/daemon.json の hosts から tcp:// を消し、unix:///var/run/docker.sock だけにします", En: "remove tcp:// from dockerd's options and from hosts in /etc/docker/daemon.json; unix:///var/run/docker.sock alone is enough"}},
	{"MySQL / MariaDB", "tcp", []uint16{3306, 33060}, []string{"mysqld", "mariadbd"}, Danger, databaseWhy,
		noren.Text{Ja: "/etc/mysql の設定（Debian/Ubuntu: mariadb.conf.d/50-server.cnf、mysql.conf.d/mysqld.cnf）の [mysqld] に bind-address = 127.0.0.1 を書き、再起動します（33060 は mysqlx-bind-address = 127.0.0.1）", En: "in /etc/mysql (mariadb.conf.d/50-server.cnf or mysql.conf.d/mysqld.cnf), under [mysqld]: bind-address = 127.0.0.1, for 33060 mysqlx-bind-address = 127.0.0.1, then restart"}},
	{"PostgreSQL", "tcp", []uint16{5432, 5433}, []string{"postgres"}, Danger, databaseWhy,
		noren.Text{Ja: "postgresql.conf に listen_addresses = 'localhost' を書き、再起動します", En: "postgresql.conf: listen_addresses = 'localhost', then restart"}},
	{"FTP", "tcp", []uint16{21}, []string{"vsftpd", "proftpd", "pure-ftpd"}, Warn,
		noren.Text{Ja: "パスワードとファイルが暗号化されずに流れ、盗み見た人がお店のプログラムを書き換えられます", En: "Passwords and files travel unencrypted; who reads along can change the shop's programs"},
		noren.Text{Ja: "SFTP（SSH）に切り替え、FTP を止めます: systemctl disable --now vsftpd（または proftpd、pure-ftpd）", En: "use SFTP (SSH) instead and stop it: systemctl disable --now vsftpd (or proftpd, pure-ftpd)"}},
	{"Telnet", "tcp", []uint16{23}, nil, Danger, noren.Text{Ja: "パスワードが暗号化されずに流れます", En: "Passwords travel unencrypted"}, noren.Text{Ja: "止めて SSH を使います", En: "stop it and use SSH"}},
	{"Windows file sharing (SMB)", "tcp", []uint16{139, 445}, []string{"smbd"}, Danger, noren.Text{Ja: "ファイル共有がインターネットに出ています", En: "File sharing is open to the internet"}, noren.Text{Ja: "smb.conf に interfaces = lo と bind interfaces only = yes を書きます", En: "smb.conf: interfaces = lo and bind interfaces only = yes"}},
	{"NFS / rpcbind", "tcp", []uint16{111, 2049}, []string{"rpcbind"}, Warn, noren.Text{Ja: "ファイル共有の窓口が外から見えています", En: "The door of file sharing can be seen from outside"}, noren.Text{Ja: "使わないなら systemctl disable --now rpcbind.socket rpcbind", En: "if it is not used: systemctl disable --now rpcbind.socket rpcbind"}},
	{"Webmin", "tcp", []uint16{10000}, []string{"miniserv.pl"}, Warn, panelWhy,
		noren.Text{Ja: "/etc/webmin/miniserv.conf に bind=127.0.0.1 を書き、SSH の転送（ssh -L 10000:127.0.0.1:10000）でつなぎます", En: "/etc/webmin/miniserv.conf: bind=127.0.0.1, and reach it through SSH (ssh -L 10000:127.0.0.1:10000)"}},
	{"cPanel / WHM / Plesk / DirectAdmin", "tcp", []uint16{2082, 2083, 2086, 2087, 2222, 8443, 8880}, nil, Warn, panelWhy,
		noren.Text{Ja: "管理画面の接続元制限（ホストアクセス制御）で、自社のアドレスだけに絞ります", En: "restrict the panel to your own addresses in its host access control"}},
	{"a second web server or panel", "tcp", []uint16{8000, 8008, 8080, 8081, 8888, 9000, 9090}, nil, Warn,
		noren.Text{Ja: "お店のプログラムや管理画面が、のれんを通らずに外から見えているおそれがあります", En: "The shop or a panel may be seen from outside without passing Noren"},
		noren.Text{Ja: "そのプログラムの待ち受けを 127.0.0.1 にします（nginx: listen 127.0.0.1:8080;  Apache: Listen 127.0.0.1:8080  php-fpm: listen = 127.0.0.1:9000）", En: "let it listen on 127.0.0.1 (nginx: listen 127.0.0.1:8080;  Apache: Listen 127.0.0.1:8080  php-fpm: listen = 127.0.0.1:9000)"}},
	{"DNS resolver", "udp", []uint16{53}, nil, Warn, noren.Text{Ja: "誰にでも答えるDNSは、他人への攻撃の踏み台にされます", En: "A resolver that answers everybody is used to attack others"}, noren.Text{Ja: "待ち受けを 127.0.0.1 だけにします（unbound: interface: 127.0.0.1、bind: listen-on { 127.0.0.1; };）", En: "listen on 127.0.0.1 only (unbound: interface: 127.0.0.1, bind: listen-on { 127.0.0.1; };)"}},
	{"CUPS, mDNS", "udp", []uint16{631, 5353}, []string{"cups-browsed", "avahi-daemon"}, Warn, noren.Text{Ja: "お店のサーバーには要らないプログラムです", En: "Nothing a shop's server needs"}, noren.Text{Ja: "systemctl disable --now cups-browsed avahi-daemon", En: "systemctl disable --now cups-browsed avahi-daemon"}},
	{"SMTP", "tcp", []uint16{25, 465, 587}, nil, Note, noren.Text{Ja: "メールの受信・送信の窓口です。このサーバーでメールを受け取らないなら閉じます", En: "The door of the mail server; close it if this machine receives no mail"}, noren.Text{Ja: "送るだけなら Postfix の main.cf に inet_interfaces = loopback-only", En: "if it only sends, Postfix main.cf: inet_interfaces = loopback-only"}},
	{"IMAP / POP3", "tcp", []uint16{110, 143, 993, 995, 4190}, []string{"dovecot"}, Note, noren.Text{Ja: "メールを読む窓口です。110 と 143 は暗号化されないことがあります", En: "Where mail is read; 110 and 143 may be unencrypted"}, noren.Text{Ja: "dovecot の ssl = required。読まないなら止めます", En: "dovecot: ssl = required; stop it if nobody reads mail here"}},
	{"SSH", "tcp", []uint16{22}, []string{"sshd"}, Note, noren.Text{Ja: "サーバーの管理の入口です。世界中からパスワードが試されます", En: "The way in for administration; passwords are tried from all over the world"}, noren.Text{Ja: "sshd_config に PasswordAuthentication no（鍵だけ）。接続元は noren firewall print --allow-ssh-from で絞れます", En: "sshd_config: PasswordAuthentication no (keys alone); noren firewall print --allow-ssh-from narrows where from"}},
}
