package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noren"
)

// reloaded is how the last reading of the configuration ended. The serving
// process leaves it in its data directory for `noren reload` and for scripts.
type reloaded struct {
	PID      int       `json:"pid"`
	Begun    time.Time `json:"begun"`
	Took     float64   `json:"took_ms"`
	Settings string    `json:"settings"` // version in force afterwards
	// NotYet are the parts of the file that come into force with a hand-over only.
	NotYet []string `json:"not_in_force_yet,omitempty"`
	Error  string   `json:"error,omitempty"`
	Hint   string   `json:"hint,omitempty"`
}

func reloadedFile(data string) string { return filepath.Join(data, "reload.json") }

// reload reads configuration and settings again. Sites, limits, policies,
// firewall rules and certificates change at once; listeners, database and keys
// need a hand-over. When anything is wrong nothing changes.
func (s *server) reload(ctx context.Context, path, why string) {
	r := reloaded{PID: os.Getpid(), Begun: time.Now()}
	err := s.tryReload(ctx, path)
	r.Took, r.Settings = float64(time.Since(r.Begun).Microseconds())/1000, s.in.rulesHash()
	if err != nil {
		r.Error, r.Hint = err.Error(), strings.Join(hints(err), "\n")
		s.in.log.Error("new configuration not used; the running one stays", "alarm", true, "why", why, "err", err, "hint", noren.HintOf(err))
	} else {
		r.NotYet = notYet(s.in.cfg, s.in.present())
		s.in.log.Info("configuration read again", "why", why, "settings", r.Settings, "took_ms", r.Took)
		if len(r.NotYet) > 0 {
			s.in.log.Warn("a part of the configuration is not in force yet", "parts", strings.Join(r.NotYet, " "), "hint", handOverHint(r.PID))
		}
	}
	if err := writeWhole(reloadedFile(s.in.cfg.Data), r); err != nil {
		s.in.log.Warn("how the reading ended cannot be noted", "err", err)
	}
}

func (s *server) tryReload(ctx context.Context, path string) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	return s.in.apply(ctx, cfg, s.gateway)
}

// notYet are the keys of the file read last whose change needs a process that
// begins with it: what was opened by the old ones stays open.
func notYet(begun, read *Config) (keys []string) {
	for _, part := range []struct {
		key  string
		same bool
	}{
		{"listen", begun.Listen == read.Listen},
		{"data", begun.Data == read.Data},
		{"database", begun.Database == read.Database},
		{"shared", begun.Shared == read.Shared},
		{"acme", sameAuthority(begun.ACME, read.ACME)},
		{"root_key", begun.RootKey == read.RootKey},
		{"erasures", begun.Erasures == read.Erasures},
		{"settings", begun.Settings == read.Settings},
		{"journal", reflect.DeepEqual(begun.Journal, read.Journal)},
		{"access_log", begun.Access == read.Access},
		{"keep", begun.Keep == read.Keep},
		{"connections.streams", begun.Connections.Streams == read.Connections.Streams},
	} {
		if !part.same {
			keys = append(keys, part.key)
		}
	}
	return keys
}

func handOverHint(pid int) string { return fmt.Sprintf("kill -USR2 %d", pid) }

// writeWhole replaces a file in one step, so that a reader sees all of it.
func writeWhole(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".noren-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// watchEvery is how often the files of the configuration are looked at. They
// are looked at, not watched: that also sees files on network shares and in
// mounted folders, where the kernel tells of no change.
const watchEvery = time.Second

// configWatch notices that a file of the configuration changed and is not
// being written any more.
type configWatch struct{ inForce, before string }

// settled reports whether the files differ from those in force, and have not
// changed since the last look.
func (w *configWatch) settled(now string) bool {
	quiet := now == w.before
	w.before = now
	if now == w.inForce || !quiet {
		return false
	}
	w.inForce = now
	return true
}

// stamps says in one text which files these are: names, times, sizes.
func stamps(files []string) string {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&b, "%s -\n", f)
			continue
		}
		inode := uint64(0)
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = st.Ino
		}
		fmt.Fprintf(&b, "%s %d %d %d\n", f, info.ModTime().UnixNano(), info.Size(), inode)
	}
	return b.String()
}

// watched are the files whose change is taken over without being told.
func (c *Config) watched(path string) []string {
	files := []string{path}
	l := &c.Lookup
	for _, f := range []string{l.Country, l.ASN, l.Private, l.Datacentre, l.Tor} {
		files = append(files, c.path(f))
	}
	for _, m := range []map[string]string{l.Lists, l.Bots} {
		for _, f := range m {
			files = append(files, c.path(f))
		}
	}
	for _, s := range c.Sites {
		if f, ok := strings.CutPrefix(s.OriginSecret, "file:"); ok {
			files = append(files, f)
		}
	}
	files = append(files, c.notifySecrets()...)
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(f string) bool { return f == "" })
}

type reloadCmd struct {
	JSON bool `name:"json" help:"Print how it ended as JSON."`
}

// Help says when it is needed.
func (reloadCmd) Help() string {
	return "Tells the running noren to read its configuration, settings and certificates again, and waits until they are\n" +
		"in force or refused. A changed noren.yaml is noticed within two seconds without it."
}

// reloadWithin is how long a reading may take before we stop waiting.
const reloadWithin = 60 * time.Second

func (c reloadCmd) Run(e *env) error {
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return c.unread(e, err)
	}
	pid, err := servingPID(cfg.Data)
	if noren.CodeOf(err) == noren.NotFound {
		return noren.WithHint(err, "start it with `noren serve`; if data was changed in the file, the one that runs serves from the old directory: kill -USR2 its process")
	}
	if err != nil {
		return err
	}
	sent := time.Now()
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return noren.WithHint(noren.Errorf(noren.Denied, "tell process %d: %w", pid, err), "run this as the user that noren runs as, or as root")
	}
	r, err := awaitReload(e.ctx, cfg.Data, sent)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(e.io.out, r); err != nil {
			return err
		}
	}
	if r.Error != "" {
		return noren.WithHint(noren.Errorf(noren.Invalid, reloadWords.unused.In(e.lang), r.Error), strings.Join(nonEmpty(r.Hint, reloadWords.unchanged.In(e.lang)), "\n"))
	}
	if !c.JSON {
		fmt.Fprintf(e.io.err, reloadWords.inForce.In(e.lang), r.Settings, r.Took)
		if len(r.NotYet) > 0 {
			fmt.Fprintf(e.io.err, reloadWords.notYet.In(e.lang), strings.Join(r.NotYet, ", "), handOverHint(r.PID))
		}
	}
	return nil
}

// unread ends a reload whose file cannot be used; it need not be asked for.
func (c reloadCmd) unread(e *env, fault error) error {
	if c.JSON {
		if err := printJSON(e.io.out, reloaded{Error: fault.Error(), Hint: reloadWords.unchanged.In(e.lang)}); err != nil {
			return err
		}
	}
	return noren.WithHint(fault, strings.Join(append(hints(fault), reloadWords.unchanged.In(e.lang)), "\n"))
}

var reloadWords = struct{ inForce, notYet, unused, unchanged noren.Text }{
	inForce:   noren.Text{Ja: "有効になりました: 設定 %s、%.0f ms\n", En: "in force: settings %s, %.0f ms\n"},
	notYet:    noren.Text{Ja: "まだ有効でないもの: %s（プロセスの引き継ぎで有効になります: %s）\n", En: "not in force yet: %s (%s)\n"},
	unused:    noren.Text{Ja: "反映しませんでした。これまでの設定のまま動き続けます: %s", En: "not used; what ran before goes on: %s"},
	unchanged: noren.Text{Ja: "何も変わっていません。動いているのはこれまでの設定です", En: "nothing changed; the running configuration stays in force"},
}

// awaitReload waits for a reading that began after we asked for one.
func awaitReload(ctx context.Context, data string, asked time.Time) (reloaded, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(reloadWithin); time.Now().Before(end); {
		var r reloaded
		b, err := os.ReadFile(reloadedFile(data))
		if err == nil && json.Unmarshal(b, &r) == nil && r.Begun.After(asked) {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-tick.C:
		}
	}
	return reloaded{}, noren.WithHint(noren.Errorf(noren.Unavailable, "no answer within %s", reloadWithin), "look into the log of the serving process")
}

// servingPID is the process that holds the lock of a data directory.
func servingPID(data string) (int, error) {
	none := noren.WithHint(noren.Errorf(noren.NotFound, "no noren serves from %s", data), "start it with `noren serve`")
	f, err := os.OpenFile(filepath.Join(data, "serve.lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, none
	}
	if err != nil {
		return 0, noren.Errorf(noren.Unavailable, "open lock: %w", err)
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return 0, none // nobody held it; closing gives it back
	}
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid <= 1 {
		return 0, noren.Errorf(noren.Conflict, "the lock in %s names no process", data)
	}
	return pid, nil
}

// nonEmpty leaves out what says nothing.
func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}
