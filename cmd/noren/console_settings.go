package main

import (
	"context"
	"fmt"

	"noren"
	"noren/settings"
)

// storeSettings checks, records and stores a set for somebody at the console. base
// is the version the change was made from. Nodes take it within a second or two.
func (in *instance) storeSettings(ctx context.Context, set settings.Set, author, reason, base string) (settings.Version, error) {
	if in.settings.Mode() == settings.Files {
		return settings.Version{}, settingsAreFiles(in.cfg.Settings.Dir)
	}
	if err := checkSettings(set, in.present()); err != nil {
		return settings.Version{}, err
	}
	open, err := in.settings.Trials(ctx)
	if err != nil {
		return settings.Version{}, err
	}
	for _, t := range open {
		if t.Kind == settings.TrialSettings {
			return settings.Version{}, settings.SettingsOnTrial()
		}
	}
	if _, err := in.loop.Decide(ctx, noren.Event{Kind: noren.SettingsChange, Payload: &noren.SettingsVersion{
		Version: set.Hash(), Before: base, Author: author, Reason: reason, Files: set.Paths(),
	}}); err != nil {
		return settings.Version{}, fmt.Errorf("record the change: %w", err)
	}
	return in.settings.Put(ctx, set, author, reason, base)
}

func settingsAreFiles(dir string) error {
	return noren.WithText(noren.Errorf(noren.Denied, "the settings are files in %s", dir),
		noren.Text{Ja: "このお店の方針はフォルダー（" + dir + "）のファイルで管理されているため、画面からは変えられません。", En: "The settings of this shop are files in " + dir + ", so they cannot be changed here."})
}

// editFile changes one file of a site's settings, and returns how to take it back.
// What is shared by several sites is left to the machine's people: the site gets a
// file of its own, which begins as the shared one. Taking back is refused when the
// file was changed since.
func (in *instance) editFile(ctx context.Context, site, kind string, edit func(text string) (string, error), author, reason string) (back func(context.Context, string) error, err error) {
	set, err := in.settings.Current(ctx)
	if err != nil {
		return nil, err
	}
	name := fileOf(set, site, kind)
	if len(in.present().Sites) > 1 {
		name = sitesDir + site + "/" + kind
	}
	base := set.Hash()
	before, had := set[name]
	text := before
	if !had {
		text = set[kind]
	}
	after, err := edit(text)
	if err != nil {
		return nil, err
	}
	set[name] = after
	if _, err := in.storeSettings(ctx, set, author, reason, base); err != nil {
		return nil, err
	}
	return func(ctx context.Context, author string) error {
		now, err := in.settings.Current(ctx)
		if err != nil {
			return err
		}
		if now[name] != after {
			return noren.Errorf(noren.Conflict, "%s was changed since", name)
		}
		base := now.Hash()
		if now[name] = before; !had {
			delete(now, name)
		}
		_, err = in.storeSettings(ctx, now, author, "元に戻した (taken back)", base)
		return err
	}, nil
}

// fileOf is where a site's own kind of file stands: its own, or the shared one.
func fileOf(set settings.Set, site, name string) string {
	own := sitesDir + site + "/" + name
	if _, ok := set[own]; ok {
		return own
	}
	return name
}
