package main

import (
	"context"

	"noren"
	"noren/settings"
)

// storeSettings stores a set for somebody at the console, who was asked before when
// it is about who may enter. base is the version the change was made from.
func (in *instance) storeSettings(ctx context.Context, set settings.Set, author, reason, base string) error {
	if in.settings.Mode() == settings.Files {
		return settingsAreFiles(in.present().Settings.Dir)
	}
	_, err := in.change(ctx, settingsChange{set: set, author: author, reason: reason, base: base})
	return err
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
	if err := in.storeSettings(ctx, set, author, reason, base); err != nil {
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
		err = in.storeSettings(ctx, now, author, "元に戻した (taken back)", base)
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
