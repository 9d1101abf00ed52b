package noren

// What scanners and exploits ask for, gathered from the lists of public
// scanners, from the advisories of the shop programs and from access logs of
// small shops. Every word is lower case. What an ordinary customer, a browser or
// a search engine asks for by itself (favicon.ico, robots.txt, readme.html,
// xmlrpc.php, .well-known) is not among them.

// probeNames are segments that give a request away wherever they stand.
var probeNames = map[string]Probe{
	// version control, keys, settings of programs and of people
	".git": ProbeScan, ".svn": ProbeScan, ".hg": ProbeScan, ".bzr": ProbeScan, ".gitignore": ProbeScan, ".gitlab-ci.yml": ProbeScan,
	".ssh": ProbeScan, ".aws": ProbeScan, ".docker": ProbeScan, ".kube": ProbeScan, ".vscode": ProbeScan, ".idea": ProbeScan,
	".htpasswd": ProbeScan, ".htaccess": ProbeScan, ".ds_store": ProbeScan, ".npmrc": ProbeScan, ".bash_history": ProbeScan, ".mysql_history": ProbeScan,
	"id_rsa": ProbeScan, "id_ed25519": ProbeScan, "credentials.json": ProbeScan, "sftp-config.json": ProbeScan, "sftp.json": ProbeScan,
	"composer.json": ProbeScan, "composer.lock": ProbeScan, "auth.json": ProbeScan, "docker-compose.yml": ProbeScan, "web.config": ProbeScan,
	"wp-config.php": ProbeScan, "configuration.php": ProbeScan, "config.inc.php": ProbeScan, "database.yml": ProbeScan, "parameters.yml": ProbeScan,
	// tools of administrators
	"phpmyadmin": ProbeScan, "pma": ProbeScan, "myadmin": ProbeScan, "mysqladmin": ProbeScan, "dbadmin": ProbeScan, "sqladmin": ProbeScan,
	"phppgadmin": ProbeScan, "adminer.php": ProbeScan, "phpinfo.php": ProbeScan, "info.php": ProbeScan, "_phpinfo.php": ProbeScan, "test.php": ProbeScan,
	"server-status": ProbeScan, "server-info": ProbeScan, "jmx-console": ProbeScan, "axis2": ProbeScan,
	"_profiler": ProbeScan, "_cat": ProbeScan, "elmah.axd": ProbeScan, "trace.axd": ProbeScan,
	"wlwmanifest.xml": ProbeScan, "host-manager": ProbeScan, "aspnet_client": ProbeScan, "dana-na": ProbeScan,
	// shells that others left
	"c99.php": ProbeScan, "r57.php": ProbeScan, "wso.php": ProbeScan, "b374k.php": ProbeScan, "alfa.php": ProbeScan, "alfacgiapi": ProbeScan,
	"shell.php": ProbeScan, "cmd.php": ProbeScan, "webshell.php": ProbeScan, "wp-shell.php": ProbeScan, "mini.php": ProbeScan, "fm.php": ProbeScan,
	"filemanager.php": ProbeScan, "up.php": ProbeScan, "wp-file-manager": ProbeScan,
	// EC-CUBE: marks of a shop under maintenance, and of an installation left open
	".maintenance": ProbeScan,
	// holes known by their address alone
	"eval-stdin.php": ProbeExploit, "hnap1": ProbeExploit, "boaform": ProbeExploit, "gponform": ProbeExploit, "setup.cgi": ProbeExploit,
}

// tree is a path that gives a request away from one segment on.
type tree struct {
	path  string
	probe Probe
}

// probeTrees are paths by their first segment; a shop may lie in a directory of
// its own, so they are looked for at every segment.
var probeTrees = map[string][]tree{
	// EC-CUBE 2: /data holds logs, downloads, templates and config.php
	"data": {{"data/downloads", ProbeScan}, {"data/logs", ProbeScan}, {"data/smarty", ProbeScan}, {"data/config", ProbeScan}, {"data/class", ProbeScan}, {"data/module", ProbeScan}, {"data/cache", ProbeScan}, {"data/upload", ProbeScan}, {"data/install.php", ProbeScan}},
	// EC-CUBE 4 and 3
	"var":         {{"var/log", ProbeScan}, {"var/cache", ProbeScan}, {"var/sessions", ProbeScan}, {"var/export", ProbeScan}, {"var/backups", ProbeScan}, {"var/eccube.db", ProbeScan}},
	"app":         {{"app/config", ProbeScan}, {"app/log", ProbeScan}, {"app/cache", ProbeScan}, {"app/plugin", ProbeScan}, {"app/template", ProbeScan}, {"app/customize", ProbeScan}, {"app/etc/local.xml", ProbeScan}, {"app/etc/env.php", ProbeScan}, {"app/etc", ProbeScan}, {"app/proxy", ProbeScan}},
	"codeception": {{"codeception/", ProbeScan}},
	"src":         {{"src/eccube", ProbeScan}},
	"install":     {{"install/index.php", ProbeScan}, {"install/step", ProbeScan}},
	"ownersstore": {{"ownersstore/", ProbeScan}},
	"owners_store": {
		{"owners_store/", ProbeScan}, {"owners_store", ProbeScan},
	},
	// WordPress and its shops
	"wp-content": {{"wp-content/debug.log", ProbeScan}, {"wp-content/backup", ProbeScan}, {"wp-content/updraft", ProbeScan}, {"wp-content/ai1wm-backups", ProbeScan}, {"wp-content/mysql.sql", ProbeScan}, {"wp-content/plugins/wp-file-manager/lib/php/connector", ProbeExploit}},
	"wp-admin":   {{"wp-admin/install.php", ProbeScan}, {"wp-admin/setup-config.php", ProbeScan}},
	"wp-json":    {{"wp-json/wp/v2/users", ProbeScan}},
	// Magento 1 and 2
	"downloader": {{"downloader", ProbeScan}},
	"rss":        {{"rss/order/new", ProbeScan}, {"rss/catalog/notifystock", ProbeScan}},
	"magmi":      {{"magmi", ProbeScan}},
	"pub":        {{"pub/errors/503.php", ProbeScan}},
	// frameworks and what they leave open
	"vendor":    {{"vendor/phpunit", ProbeExploit}, {"vendor/composer", ProbeScan}, {"vendor/.env", ProbeScan}, {"vendor/laravel", ProbeScan}},
	"phpunit":   {{"phpunit/", ProbeExploit}},
	"_ignition": {{"_ignition/execute-solution", ProbeExploit}, {"_ignition", ProbeScan}},
	"storage":   {{"storage/logs", ProbeScan}},
	"cgi-bin":   {{"cgi-bin/.%2e", ProbeExploit}, {"cgi-bin/luci", ProbeExploit}, {"cgi-bin/", ProbeScan}},
	"solr":      {{"solr/admin", ProbeScan}, {"solr/", ProbeScan}},
	"manager":   {{"manager/html", ProbeScan}, {"manager/text", ProbeScan}},
	"index.php": {{"index.php/downloader", ProbeScan}},
	"debug":     {{"debug/default/view", ProbeScan}},
	"remote":    {{"remote/fgt_lang", ProbeExploit}, {"remote/logincheck", ProbeScan}},
	"autodiscover": {
		{"autodiscover/autodiscover.json", ProbeExploit}, {"autodiscover/", ProbeScan},
	},
	"owa":        {{"owa/auth", ProbeScan}},
	"ecp":        {{"ecp/", ProbeScan}},
	"telescope":  {{"telescope/requests", ProbeScan}},
	"actuator":   {{"actuator/env", ProbeScan}, {"actuator/heapdump", ProbeScan}, {"actuator/gateway", ProbeExploit}, {"actuator/mappings", ProbeScan}, {"actuator/health", ProbeScan}},
	"containers": {{"containers/json", ProbeScan}},
	"v2":         {{"v2/_catalog", ProbeScan}},
}

// scriptExtensions are what a web server may hand to an interpreter.
var scriptExtensions = [...]string{".php", ".phtml", ".phar", ".jsp", ".asp", ".cgi"}

// uploadDirectories hold what people uploaded and what the shop made of it:
// files that are shown, never run. A script there is nobody's but an intruder's.
var uploadDirectories = [...]string{
	// EC-CUBE 2, 3 and 4
	"/upload/save_image/", "/upload/temp_image/", "/upload/temp_template/", "/upload/temp_plugin/", "/html/upload/", "/save_image/", "/temp_image/",
	// WordPress
	"/wp-content/uploads/", "/wp-content/cache/", "/wp-content/languages/", "/wp-content/upgrade/",
	// Magento
	"/media/catalog/", "/media/wysiwyg/", "/media/tmp/", "/media/custom_options/", "/media/customer/", "/media/import/", "/pub/media/",
	"/uploads/",
}

// assetDirectories hold templates, pictures and styles. Some shops let a script
// make their styles, so only what is sent to one there counts. EC-CUBE 2's
// user_data itself holds pages of the shop, its packages do not.
var assetDirectories = [...]string{
	"/html/template/", "/html/plugin/", "/html/user_data/", "/user_data/packages/", "/template/default/", "/template/admin/", "/app/template/",
	"/wp-content/themes/", "/pub/static/", "/skin/frontend/", "/skin/adminhtml/",
	"/images/", "/img/", "/css/", "/fonts/", "/assets/", "/.well-known/",
}

// backupSuffixes end copies that editors and people leave.
var backupSuffixes = [...]string{".bak", ".old", ".orig", ".save", ".swp", ".swo", "~", ".sql", ".sql.gz", ".sql.zip", ".php.txt", ".php_", ".php1", ".inc", ".tpl", ".twig", ".sqlite", ".sqlite3", ".mdb", ".pem", ".ppk"}

// backupStems are names under which whole shops are packed away.
var backupStems = map[string]bool{
	"backup": true, "backups": true, "bak": true, "db": true, "database": true, "dump": true, "data": true, "site": true, "website": true, "www": true, "wwwroot": true,
	"web": true, "html": true, "public_html": true, "htdocs": true, "old": true, "sql": true, "mysql": true, "eccube": true, "ec-cube": true, "shop": true, "wordpress": true, "wp": true, "magento": true, "home": true, "customers": true, "customer": true, "order": true, "orders": true, "users": true, "export": true, "archive": true,
}

// exploitSigns are parts of known exploits, lower case, blanks for + and /**/.
var exploitSigns = [...]string{
	"${jndi:", "${${", "union select", "union all select", "information_schema", "sleep(", "benchmark(", "extractvalue(", "updatexml(", "waitfor delay", "' or '1'='1", "' or 1=1", "\" or \"\"=\"", "pg_sleep(",
	"<script", "javascript:alert", "onerror=", "<?php", "php://input", "php://filter", "data://text", "expect://", "phar://",
	"../../..", "..\\..\\", "/etc/passwd", "/etc/shadow", "/proc/self/", "win.ini", "boot.ini",
	"auto_prepend_file", "allow_url_include", "base64_decode(", "eval(", "system(", "passthru(", "shell_exec(", "phpinfo(", "file_put_contents(", "call_user_func",
	";wget ", ";curl ", "|wget ", "|curl ", "$(wget", "$(curl", "`wget", "`curl", "wget http", "curl http", "chmod 777", "/bin/sh", "/bin/bash", "powershell -",
	"__proto__[", "{{7*7}}", "%{(#", "class.module.classloader", "xp_cmdshell", "169.254.169.254",
}
