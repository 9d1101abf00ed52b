package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"noren/lab/peer"
)

// nginxModule is what Debian's libnginx-mod-http-modsecurity installs.
const nginxModule = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"

// nginxUnicode is the table that t:urlDecodeUni needs, of the same package.
const nginxUnicode = "/etc/nginx/unicode.mapping"

// coreRules is the module whose very files both firewalls load.
const coreRules = "github.com/corazawaf/coraza-coreruleset/v4"

// startNginx starts nginx with libmodsecurity and our version of the Core Rule
// Set. errMissing says that it is not installed.
func (b *bencher) startNginx(shop string, pair certificate) (*contender, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, errMissing
		}
	}
	if _, err := os.Stat(nginxModule); err != nil {
		return nil, errMissing
	}
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // its workers are another user's
		return nil, err
	}
	version, err := b.writeModSecurity(dir)
	if err != nil {
		return nil, err
	}
	ports := [2]int{}
	for i := range ports {
		if ports[i], err = peer.FreePort(); err != nil {
			return nil, err
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(dir, shop, pair, ports)), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, program, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &contender{name: "nginx + libmodsecurity, CRS " + version, plain: local(ports[0]), secure: local(ports[1]), stop: func() { interrupt(cmd) }}
	if err := awaitAnswer(b.ctx, c.plain); err != nil {
		c.stop()
		said, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		return nil, fmt.Errorf("nginx: %w\n%s", err, said)
	}
	c.pids = withChildren(cmd.Process.Pid)
	return c, nil
}

var errMissing = errors.New("not installed")

// copyRules copies the rule set with an empty line before every rule: without
// one libmodsecurity takes the next rule for the actions of one that has none.
func copyRules(to, from string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(to, "*.conf"))
	for _, f := range files {
		text, rerr := os.ReadFile(f)
		apart := strings.ReplaceAll(string(text), "\nSecRule ", "\n\nSecRule ")
		err = errors.Join(err, rerr, os.Chmod(f, 0o644), os.WriteFile(f, []byte(apart), 0o644))
	}
	return err
}

// writeModSecurity writes the rules as libmodsecurity reads them, all those that
// gateway/waf loads, at the same paranoia level and threshold.
func (b *bencher) writeModSecurity(dir string) (version string, err error) {
	out, err := exec.CommandContext(b.ctx, "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", coreRules).Output()
	if err != nil {
		return "", fmt.Errorf("find the rules: %w", err)
	}
	version, from, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	rules := filepath.Join(dir, "rules")
	if err := copyRules(rules, filepath.Join(from, "rules", "@owasp_crs")); err != nil {
		return "", err
	}
	return version, os.WriteFile(filepath.Join(dir, "modsecurity.conf"), []byte(`SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 2097152
SecRequestBodyNoFilesLimit 2097152
SecResponseBodyAccess Off
SecAuditEngine Off
SecRequestBodyJsonDepthLimit 64
SecArgumentsLimit 1000
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecUnicodeMapFile `+nginxUnicode+` 20127
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecDefaultAction "phase:1,log,noauditlog,pass"
SecDefaultAction "phase:2,log,noauditlog,pass"
SecAction "id:900990,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250,setvar:tx.blocking_paranoia_level=1,setvar:tx.inbound_anomaly_score_threshold=5"
Include `+rules+`/REQUEST-901-*.conf
Include `+rules+`/REQUEST-91*.conf
Include `+rules+`/REQUEST-92*.conf
Include `+rules+`/REQUEST-93*.conf
Include `+rules+`/REQUEST-94*.conf
`), 0o644)
}

// nginxConf is as Debian ships it, with the shop behind kept connections.
func nginxConf(dir, shop string, pair certificate, ports [2]int) string {
	return `load_module ` + nginxModule + `;
daemon off;
worker_processes auto;
pid ` + dir + `/pid;
events { worker_connections 4096; }
http {
	access_log ` + dir + `/access.log;
	client_body_temp_path ` + dir + `/body; proxy_temp_path ` + dir + `/proxy; fastcgi_temp_path ` + dir + `/fastcgi;
	uwsgi_temp_path ` + dir + `/uwsgi; scgi_temp_path ` + dir + `/scgi;
	keepalive_requests 1000000;
	tcp_nopush on;
	upstream shop { server ` + shop + `; keepalive 256; keepalive_requests 1000000; }
	modsecurity on;
	modsecurity_rules_file ` + dir + `/modsecurity.conf;
	server {
		listen ` + local(ports[0]) + `;
		listen ` + local(ports[1]) + ` ssl http2;
		ssl_certificate ` + pair.cert + `; ssl_certificate_key ` + pair.key + `;
		ssl_protocols TLSv1.2 TLSv1.3;
		location / {
			proxy_pass http://shop;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`
}

// withChildren is a process and its children (proc(5), task/TID/children).
func withChildren(pid int) []int {
	all := []int{pid}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for f := range strings.FieldsSeq(string(text)) {
		if n, err := strconv.Atoi(f); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// awaitAnswer waits until a proxy passes on the shop's page.
func awaitAnswer(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := loadPlan{Addr: addr}
	var last error
	for ctx.Err() == nil {
		if last = p.once(ctx); last == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer: %w", addr, last)
}
