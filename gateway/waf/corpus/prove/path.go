package prove

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

// pathPrograms open a file by a value. It must open one outside of the folder
// that is really there, or reach PHP's wrappers.
func pathPrograms() map[string]program {
	open := func(prepare func(string) string) program {
		return func(value string) (string, error) { return opens(prepare(value)) }
	}
	const root = "/var/www/shop/html/upload/"
	return map[string]program{
		"join": open(func(v string) string { return root + v }),
		"ending": open(func(v string) string { // C ends at a zero byte, and so did PHP
			name, _, _ := strings.Cut(root+v+".html", "\x00")
			return name
		}),
		"filtered": open(func(v string) string { return root + strings.ReplaceAll(v, "../", "") }),
		"include":  open(func(v string) string { return v }),
		"windows":  open(func(v string) string { return root + strings.ReplaceAll(v, `\`, "/") }),
		"tomcat": open(func(v string) string { // path parameters are taken off
			return root + pathParameter.ReplaceAllString(v, "")
		}),
	}
}

// secretFiles are what a server has.
var secretFiles = regexp.MustCompile(`^(?:/etc/(?:passwd|shadow|group|hosts|hostname|issue|crontab|fstab|my\.cnf|mysql/my\.cnf|nginx/nginx\.conf|apache2/apache2\.conf|httpd/conf/httpd\.conf|php\.ini|ssh/sshd_config)|/proc/(?:self/(?:environ|cmdline|maps|fd/\d+|status|cwd/[\w.]+)|version|cpuinfo|net/tcp)|/root/\.(?:ssh/(?:id_rsa|authorized_keys)|bash_history)|/home/\w+/\.ssh/id_rsa|/var/log/(?:apache2|nginx|httpd)/(?:access|error)(?:_log|\.log)|/var/www/shop/(?:\.env|\.git/config|app/config/eccube\.php|config/(?:config\.php|database\.yml|secrets\.yml)|html/(?:wp-config\.php|install\.php|\.htaccess|\.htpasswd|define\.php|configuration\.php|config\.php|index\.php)|composer\.json|web\.config|var/log/site\.log|WEB-INF/web\.xml)|/var/www/\.htpasswd|/windows/(?:win\.ini|system\.ini|system32/(?:drivers/etc/hosts|config/sam))|/boot\.ini|/inetpub/wwwroot/web\.config|/dev/(?:random|tcp)|/var/lib/mlocate/mlocate\.db|/run/secrets/[\w/.]+|/var/run/secrets/kubernetes\.io/serviceaccount/token)$`)

var pathParameter = regexp.MustCompile(`;[^/]*`)

// wrappers are what PHP opens besides files.
var wrappers = regexp.MustCompile(`(?i)^(?:php://(?:filter/|input$)|data:(?://)?text/plain|expect://\w|phar://.|zip://.|compress\.zlib://.|glob:///|file:///)`)

func opens(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", invalid("a zero byte in a path")
	}
	if wrappers.MatchString(name) {
		u := strings.TrimPrefix(strings.ToLower(name), "file://")
		if u != strings.ToLower(name) && !secretFiles.MatchString(path.Clean(u)) {
			return "", invalid("no file %s", u)
		}
		return "opens " + clip(name), nil
	}
	clean := path.Clean(strings.ReplaceAll(name, "//", "/"))
	if unescaped, err := url.PathUnescape(clean); err == nil && strings.HasPrefix(name, "file:") {
		clean = unescaped
	}
	if strings.HasPrefix(strings.ToLower(clean), "c:/") {
		clean = clean[2:]
	}
	if !secretFiles.MatchString(clean) && !secretFiles.MatchString(strings.ToLower(clean)) {
		return "", invalid("no file %s outside", clip(clean))
	}
	return "opens " + clean, nil
}
