package main

import (
	"fmt"
	"os"
	"strings"

	"noren"
	"noren/db"
	"noren/settings"
)

type checkCmd struct {
	Exposure bool `help:"Look instead at what this machine shows to others: databases, panels, the shop itself past Noren."`
	JSON     bool `name:"json" help:"Print findings as JSON."`
	Pages    bool `help:"Walk the shops' own pages as well, for parts and forms that go by plain http. GET only, nothing is changed."`
	Most     int  `name:"max-pages" default:"50" help:"How many pages of each site are read."`
}

// Help says what is looked at.
func (checkCmd) Help() string {
	return "Looks at the configuration, the root key, the database, the settings, every shop and every certificate,\nand changes nothing. Exit 1 when something is wrong."
}

func (c checkCmd) Run(e *env) error {
	if c.Exposure {
		return c.exposure(e)
	}
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	l := looker{getenv: e.getenv, log: e.log}
	if l.cfg, err = loadConfig(path); err != nil {
		l.fs.fault(lookedConfig, err, "設定ファイルに誤りがあります", "")
		return c.print(e, l.fs)
	}
	l.fs.good(lookedConfig, path+" は使えます", path+" can be used")
	var d *db.DB
	if l.set, d = e.checkDatabase(&l.fs, l.cfg); d != nil {
		defer d.Close()
		l.db = d
	}
	for _, s := range l.machine() {
		s.do(e.ctx)
	}
	for i := range l.cfg.Sites {
		for _, s := range l.site(&l.cfg.Sites[i]) {
			s.do(e.ctx)
		}
		if c.Pages {
			l.pages(e.ctx, &l.cfg.Sites[i], c.Most)
		}
	}
	checkLogs(&l.fs, l.cfg)
	return c.print(e, l.fs)
}

func (c checkCmd) print(e *env, fs findings) error {
	if c.JSON {
		if err := printJSON(e.io.out, fs); err != nil {
			return err
		}
	} else {
		fs.print(e.io.out, e.lang)
	}
	if n := fs.bads(); n > 0 {
		fmt.Fprintf(e.io.err, say(e.lang, "%[2]d件のうち%[1]d件に、直すところがあります\n", "%[1]d of %[2]d %[3]s not in order\n"), n, len(fs), isAre(n))
		return errFindings
	}
	return nil
}

var lookedConfig = ofMachine("configuration", "設定ファイル", "Configuration file")

// checkDatabase opens it and returns the settings in force, nil for those that
// are not there.
func (e *env) checkDatabase(fs *findings, cfg *Config) (settings.Set, *db.DB) {
	d := e.openForCheck(fs, cfg)
	if cfg.Settings.Mode == "files" {
		set, err := settings.ReadDir(cfg.Settings.Dir)
		fs.add(ofMachine("settings directory", "方針のフォルダー", "Settings directory"), err, noren.Text{Ja: cfg.Settings.Dir, En: cfg.Settings.Dir},
			noren.Text{Ja: "方針のフォルダーを読めません"}, noren.Text{})
		return set, d
	}
	if d == nil {
		return nil, nil
	}
	store, err := settings.Open(settings.Options{DB: d, Mode: settings.Console})
	if err != nil {
		return nil, d
	}
	set, err := store.Current(e.ctx)
	if err != nil {
		return nil, d // a database without settings is a new one
	}
	return set, d
}

func (e *env) openForCheck(fs *findings, cfg *Config) *db.DB {
	what := ofMachine("database", "データベース", "Database")
	if err := cfg.lostDatabase(); err != nil {
		fs.fault(what, err, "前に使っていたデータベースが見当たりません", "")
		return nil
	}
	if file, ok := strings.CutPrefix(cfg.Database.URL, "sqlite:"); ok {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			fs.good(what, file+" はまだありません。`noren serve` が作ります", file+" does not exist yet; `noren serve` makes it")
			return nil
		}
	}
	url, err := secretRef(cfg.Database.URL, e.getenv)
	if err != nil {
		fs.fault(what, err, "データベースの接続先を読めません", "")
		return nil
	}
	d, err := db.Open(e.ctx, db.Options{URL: url, AllowUnsafe: cfg.Database.AllowUnsafe})
	fs.add(what, err, noren.Text{Ja: "応答しています", En: "answers"}, noren.Text{Ja: "データベースにつながりません"}, noren.Text{})
	if err != nil {
		return nil
	}
	return d
}
