package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"noren"
	"noren/gateway"
)

type emergencyCmd struct {
	Switch  string `arg:"" optional:"" help:"card, login, admin, overseas, closed, busy or attack; without one: what there is, and what is on."`
	Off     bool   `help:"Let it go on again."`
	For     string `default:"0" help:"How long: 30m, 2h, 1d; 0 means until switched off."`
	Reason  string `help:"Why, for the record and for your colleagues."`
	Preview string `placeholder:"FILE" help:"Switch nothing; write the page that visitors would see to a file (- for the terminal)."`
	Site    string `help:"The site (default: the only one; to look: all)."`
	JSON    bool   `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (emergencyCmd) Help() string {
	var b strings.Builder
	for _, s := range gateway.Switches() {
		fmt.Fprintf(&b, "  %-9s %s（%s）\n", s.Switch, s.Does.En, s.Name.Ja)
	}
	return b.String() + "\nThe first four stand beside each other and beside a mode; the last three are modes (noren mode).\n" +
		"Examples:\n  noren emergency card --reason '不正利用の疑い' --for 2h\n  noren emergency card --preview page.html\n  noren emergency card --off\n  noren emergency"
}

func (c emergencyCmd) Run(e *env) error {
	looks := wants{getenv: e.getenv, reads: c.Switch == "" || c.Preview != ""} // also on a full disk
	return e.withWants(looks, func(ctx context.Context, in *instance) error {
		if c.Switch == "" {
			return c.show(e, in)
		}
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		until, err := untilOf(c.For)
		if err != nil {
			return err
		}
		s := gateway.Switch(c.Switch)
		if c.Preview != "" {
			return c.preview(e, in, site, s, until)
		}
		if err := in.stops.Set(ctx, site, s, !c.Off, until, operator(), c.Reason); err != nil {
			return err
		}
		fmt.Fprintln(e.io.err, modeWords.switched.In(e.lang))
		if !c.Off {
			c.warn(e, in, site, s)
		}
		return c.print(e, in, []string{site}, s)
	})
}

// warn says what one should know of a switch that was just switched on, and
// whether the person at the keyboard has shut themselves out.
func (c emergencyCmd) warn(e *env, in *instance, site string, s gateway.Switch) {
	if _, why := in.stops.Can(site, s); why != (noren.Text{}) {
		fmt.Fprintln(e.io.err, say(e.lang, "注意: ", "note: ")+why.In(e.lang))
	}
	if addr := e.sshAddress(); s == gateway.SwitchAdmin && addr.IsValid() {
		if ok, by := in.stops.Enters(site, addr); !ok {
			fmt.Fprintln(e.io.err, say(e.lang, "注意: ", "note: ")+by.In(e.lang))
		}
	}
}

// preview writes the page, and switches nothing.
func (c emergencyCmd) preview(e *env, in *instance, site string, s gateway.Switch, until noren.Time) error {
	if c.Preview == "-" {
		return in.stops.Preview(e.io.out, site, s, until, e.lang)
	}
	f, err := os.OpenFile(c.Preview, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "write the page: %w", err)
	}
	defer f.Close()
	if err := in.stops.Preview(f, site, s, until, e.lang); err != nil {
		return err
	}
	return f.Close()
}

// show lists the switches of a site, or of every site when none is named.
func (c emergencyCmd) show(e *env, in *instance) error {
	sites, err := in.cfg.sitesOf(c.Site)
	if err != nil {
		return err
	}
	return c.print(e, in, sites, "")
}

// siteSwitch is a switch of one of several sites, with what it is.
type siteSwitch struct {
	Site string `json:"site"`
	gateway.SwitchState
	Can bool                `json:"can"`
	Why *noren.Text         `json:"why,omitempty"`
	Is  *gateway.SwitchInfo `json:"is,omitempty"`
}

// print shows one switch as one JSON value, several as a list.
func (c emergencyCmd) print(e *env, in *instance, sites []string, only gateway.Switch) error {
	var out []siteSwitch
	for _, site := range sites {
		for i, st := range in.stops.Of(site) {
			if only != "" && st.Switch != only {
				continue
			}
			s := siteSwitch{Site: site, SwitchState: st, Is: &gateway.Switches()[i]}
			var why noren.Text
			if s.Can, why = in.stops.Can(site, st.Switch); why != (noren.Text{}) {
				s.Why = &why
			}
			out = append(out, s)
		}
	}
	if c.JSON {
		if only != "" && len(out) == 1 {
			return printJSON(e.io.out, out[0])
		}
		return printJSON(e.io.out, out)
	}
	for _, s := range out {
		c.line(e, s)
	}
	return nil
}

func (c emergencyCmd) line(e *env, s siteSwitch) {
	state := say(e.lang, "通常", "off")
	if s.On {
		state = say(e.lang, "停止中", "ON")
		if s.Is.Mode != "" {
			state = say(e.lang, "切替中", "ON")
		}
	}
	fmt.Fprintf(e.io.out, "%s: %-9s %s  %s%s\n", s.Site, s.Switch, state, s.Is.Name.In(e.lang), whoAndHowLong(s.SwitchState, e.lang))
	switch {
	case s.On:
		fmt.Fprintf(e.io.out, "    %s\n", s.Is.Customers.In(e.lang))
		if s.Trouble != (noren.Text{}) {
			fmt.Fprintf(e.io.out, "    %s%s\n", say(e.lang, "効いていません: ", "without effect: "), s.Trouble.In(e.lang))
		}
	case !s.Can && s.Why != nil:
		fmt.Fprintf(e.io.out, "    %s%s\n", say(e.lang, "使えません: ", "cannot be used: "), s.Why.In(e.lang))
	}
}

func whoAndHowLong(s gateway.SwitchState, lang string) string {
	if !s.On {
		return ""
	}
	return say(lang, "、", ", ") + endText(s.Until, lang) + byWhom(s.Author, s.Reason, lang)
}

// byWhomShort is who switched, how long it holds and why, for one line.
func byWhomShort(s gateway.SwitchState) string {
	var parts []string
	if !s.Until.IsZero() {
		parts = append(parts, "until "+untilText(s.Until))
	}
	for _, p := range []string{s.Author, s.Reason} {
		if p != "" {
			parts = append(parts, shorten(p, 80))
		}
	}
	return strings.Join(parts, ", ")
}

// emergencyHappened tells an entry of the record.
func emergencyHappened(p *noren.EmergencySwitch, at noren.Time, lang string) string {
	name := p.Switch
	for _, s := range gateway.Switches() {
		if string(s.Switch) == p.Switch {
			name = s.Name.In(lang)
		}
	}
	text := map[string]string{
		"on":     say(lang, "非常停止を開始: ", "emergency switch on: "),
		"off":    say(lang, "非常停止を終了: ", "emergency switch off: "),
		"failed": say(lang, "非常停止は保存できず、行われていません: ", "emergency switch not made: "),
	}[p.Op] + name
	if p.Op == "on" {
		text += lasts(p.Until, at, "set", lang)
	}
	return text + byWhom(p.Author, p.Reason, lang)
}

// openEmergency opens the emergency switches; the sites and what is known of
// countries are those in force when they are asked.
func (in *instance) openEmergency(ctx context.Context) (err error) {
	in.stops, err = gateway.OpenEmergency(ctx, gateway.EmergencyOptions{
		DB: in.db, Sealer: in.vault, Modes: in.modes, Lists: in.lists, Places: in.places, Now: time.Now, Log: in.log,
		Sites:     func() []gateway.Site { return in.current().Sites },
		Countries: func() bool { return in.current().Lookup.Country != "" },
	})
	return err
}

// current is the configuration in force.
func (in *instance) current() *Config {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.now
}
