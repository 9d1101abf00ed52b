package lab

import (
	"context"
	"strings"
	"time"
)

// secretPaths is what bots ask every web server for.
func secretPaths() []string {
	return strings.Fields(`
/.env /.env.local /.env.production /.env.bak /.env.save /api/.env /app/.env /backend/.env /config/.env /shop/.env
/.git/config /.git/HEAD /.git/index /.git/logs/HEAD /shop/.git/config /.gitignore /.svn/entries /.svn/wc.db /.hg/hgrc
/.htaccess /.htpasswd /.user.ini /.DS_Store /.bash_history /.ssh/id_rsa /.ssh/authorized_keys /.aws/credentials /.docker/config.json /.npmrc
/.vscode/sftp.json /.idea/workspace.xml /wp-config.php.bak /wp-config.php~ /wp-config.php.save /wp-config.txt /configuration.php.old /config.php.bak
/settings.php.bak /index.php.bak /index.php~ /index.php.swp /database.sql /db.sql /dump.sql /backup.sql /shop.sql /mysql.sql /backup.sql.gz /db_backup.sql
/backup.zip /backup.tar.gz /dump.zip /composer.json /composer.lock /package-lock.json /auth.json /docker-compose.yml /config.yaml /secrets.yml /.gitlab-ci.yml
/database.sqlite /shop.sqlite3 /id_rsa /server.pem /phpinfo.php /info.php /adminer.php /server-status /.well-known/../.env //.env /./.env
/%2eenv /.%65nv /.git%2fconfig /.GIT/config /.Env /assets/../.env /assets/..%2f.env /.env? /.env/ /.git/config?x=1 /static/.env%00.css`)
}

// probeSecrets asks for what must never be served.
func probeSecrets(ctx context.Context, r *raid) {
	paths := secretPaths()
	probes := make([]probe, 0, len(paths))
	for _, i := range r.r.Perm(len(paths))[:min(len(paths), r.count(len(paths)))] {
		probes = append(probes, probe{step: "secret", target: paths[i]})
	}
	r.sendAll(ctx, probes)
}

// scanPaths is the beginning of the lists scanners work through: what is
// secret, and what might only be there.
func scanPaths() []string {
	return append(secretPaths(), strings.Fields(`
/admin.php /administrator/ /phpmyadmin/ /pma/ /myadmin/ /wp-login.php /wp-admin/ /xmlrpc.php /wp-json/wp/v2/users /wp-content/debug.log
/cgi-bin/test.cgi /cgi-bin/luci /manager/html /host-manager/html /solr/admin/info/system /actuator/env /actuator/heapdump /console/ /jmx-console/
/struts/index.action /login.action /index.action /axis2/ /jenkins/ /hudson/ /gitlab/ /grafana/ /kibana/ /_cat/indices /v2/_catalog /api/v1/pods
/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php /telescope/requests /_ignition/execute-solution /horizon/api/stats /debug/default/view
/owa/auth/logon.aspx /autodiscover/autodiscover.json /ecp/ /aspnet_client/ /web.config /elmah.axd /trace.axd /remote/fgt_lang /dana-na/ /+CSCOE+/logon.html
/boaform/admin/formLogin /HNAP1/ /setup.cgi /shell /cmd.php /c99.php /r57.php /wso.php /upload.php /uploads/shell.php /images/up.php /test.php /old/ /new/ /bak/
/backup/ /dev/ /stage/ /staging/ /beta/ /temp/ /tmp/ /logs/ /log/ /error.log /access.log /storage/logs/laravel.log /robots.txt /sitemap.xml /crossdomain.xml
/.well-known/security.txt /readme.html /license.txt /CHANGELOG.md /INSTALL.txt /install/ /install.php /setup/ /update.php /cron.php /status /health /metrics`)...)
}

func scannerAgents() []string {
	return []string{"Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:000690)", "sqlmap/1.9.4#stable (https://sqlmap.org)", ""}
}

// scan works through the list from each address: twice under a scanner's own
// name, once as a browser.
func scan(ctx context.Context, r *raid) {
	paths := scanPaths()
	orders := make([][]int, len(r.tools))
	for i := range orders {
		orders[i] = r.r.Perm(len(paths))[:min(len(paths), r.count(len(paths)))]
	}
	for k := range orders[0] {
		for i := range r.tools {
			p := probe{step: "scan", target: paths[orders[i][k]]}
			if agent := scannerAgents()[i%len(scannerAgents())]; agent != "" {
				p.headers = [][2]string{{"User-Agent", agent}}
			}
			r.fire(ctx, i, p)
		}
		if r.pause(ctx, 120*time.Millisecond) != nil {
			return
		}
	}
}
