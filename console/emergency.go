package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/staff"
)

// emergencyPage is the page of big plain buttons.
type emergencyPage struct {
	Stops, Modes []switchRow // what stops a part of the shop; what holds all of it
	On           int
	May          bool
}

// switchRow is one button.
type switchRow struct {
	Info  gateway.SwitchInfo
	State gateway.SwitchState
	By    noren.Text
	Can   bool
	Know  noren.Text // what is missing, or should be known before
	Tone  ui.Tone
	Shuts noren.Text // how it would hit the person themselves
}

func (c *Console) emergency(v *visit) error {
	p := emergencyPage{May: v.may(staff.Act)}
	for _, row := range c.switches(v) {
		if row.State.On {
			p.On++
		}
		if row.Info.Mode == "" || row.Info.Switch == gateway.SwitchClosed {
			p.Stops = append(p.Stops, row)
		} else {
			p.Modes = append(p.Modes, row)
		}
	}
	if v.asked("switches") {
		return v.part("emergency", "switches", v.frame(p))
	}
	return v.page("emergency", p)
}

func (c *Console) switches(v *visit) (out []switchRow) {
	states := c.o.Emergency.Of(v.site)
	for i, info := range gateway.Switches() {
		row := switchRow{Info: info, State: states[i], Tone: ui.Calm}
		row.Can, row.Know = c.o.Emergency.Can(v.site, info.Switch)
		if row.State.On {
			row.Tone, row.By = ui.Alert, c.authorName(v.r.Context(), row.State.Author)
		}
		out = append(out, row)
	}
	return out
}

// switchForm asks for reason and time before a switch is turned.
type switchForm struct {
	Row    switchRow
	For    string
	Reason string
	Terms  []term
	Once   string
	Field  string
	Wrong  noren.Text
}

// switchTerms are how long a switch stays on: an end keeps it from being forgotten.
func switchTerms() []term {
	return []term{
		{"30m", noren.Text{Ja: "30分", En: "30 minutes"}, 30 * time.Minute},
		{"2h", noren.Text{Ja: "2時間", En: "2 hours"}, 2 * time.Hour},
		{"12h", noren.Text{Ja: "12時間", En: "12 hours"}, 12 * time.Hour},
		{"3d", noren.Text{Ja: "3日間", En: "3 days"}, 3 * 24 * time.Hour},
		{"always", noren.Text{Ja: "戻すまでずっと", En: "until it is switched off"}, 0},
	}
}

// row is a switch as it stands.
func (c *Console) row(v *visit, name gateway.Switch) (switchRow, error) {
	rows := c.switches(v)
	i := slices.IndexFunc(rows, func(r switchRow) bool { return r.Info.Switch == name })
	if i < 0 {
		return switchRow{}, noren.Errorf(noren.NotFound, "no switch %q", cutTo(string(name), 80))
	}
	row := rows[i]
	if row.Info.Switch == gateway.SwitchAdmin && v.from().IsValid() && !v.from().IsLoopback() {
		if in, why := c.o.Emergency.Enters(v.site, v.from()); !in {
			row.Shuts = why
		}
	}
	return row, nil
}

func (c *Console) switchPage(v *visit) error {
	row, err := c.row(v, gateway.Switch(v.r.PathValue("switch")))
	if err != nil {
		return err
	}
	return v.page("switch", switchForm{Row: row, For: "2h", Terms: switchTerms(), Once: newForm()})
}

// turnSwitch turns one on or off. It is in force on the next request.
func (c *Console) turnSwitch(v *visit) error {
	row, err := c.row(v, gateway.Switch(v.r.PathValue("switch")))
	if err != nil {
		return err
	}
	f := switchForm{Row: row, For: v.field("for"), Reason: v.field("reason"), Terms: switchTerms(), Once: newForm()}
	on := v.field("on") == "yes"
	reason, err := v.reason()
	if m := mistakeIn(err); m != nil {
		f.Field, f.Wrong = m.field, m.text
		return v.pageWith(http.StatusUnprocessableEntity, "switch", f)
	}
	if v.again() {
		if row.State.On == on {
			return v.redirect(v.path("/emergency"), "again")
		}
		// An old page, by the back button: what is asked for is not so, and silence
		// would leave the person to believe it is.
		f.Wrong = noren.Text{Ja: "この画面は古くなっていたので、まだ何も変えていません。いまの状態を確かめて、もう一度押してください。", En: "This page was out of date, so nothing was changed yet. Look at how it stands now and press once more."}
		return v.pageWith(http.StatusConflict, "switch", f)
	}
	until := noren.Time{}
	if i := slices.IndexFunc(f.Terms, func(t term) bool { return t.Value == f.For }); i >= 0 && f.Terms[i].For > 0 && on {
		until = noren.At(time.Now().Add(f.Terms[i].For))
	}
	was := row.State
	if err := c.o.Emergency.Set(v.r.Context(), v.site, row.Info.Switch, on, until, v.author(), reason); err != nil {
		if text, ok := forPerson(err); ok || noren.CodeOf(err) == noren.Invalid || noren.CodeOf(err) == noren.Conflict {
			f.Wrong = text
			if !ok {
				f.Wrong = noren.Text{Ja: "このスイッチはいま使えません。" + row.Know.Ja, En: "This switch cannot be used now. " + row.Know.En}
			}
			v.c.once.release(v.formID())
			return v.pageWith(http.StatusUnprocessableEntity, "switch", f)
		}
		return err
	}
	left := c.o.Emergency.Of(v.site)[slices.IndexFunc(gateway.Switches(), func(i gateway.SwitchInfo) bool { return i.Switch == row.Info.Switch })]
	undo := v.undoable(staff.Act, func(ctx context.Context, by *visit) error {
		now, err := c.row(by, row.Info.Switch)
		if err != nil {
			return err
		}
		if now.State.On != left.On || now.State.Since != left.Since || now.State.Until != left.Until {
			return changedSince("the switch")
		}
		return c.o.Emergency.Set(ctx, by.site, row.Info.Switch, was.On, was.Until, by.author(), by.words().T("元に戻した", "taken back"))
	})
	said := saidOff
	if on {
		said = saidOn
	}
	return v.redirect(v.path("/emergency"), said+string(row.Info.Switch), "undo", undo)
}

// preview shows what customers will see, in a page of its own.
func (c *Console) preview(v *visit) error {
	row, err := c.row(v, gateway.Switch(v.r.PathValue("switch")))
	if err != nil {
		return err
	}
	return c.o.Emergency.Preview(v.w, v.site, row.Info.Switch, noren.Time{}, v.lang)
}

// switchMatters say which switches are on.
func (c *Console) switchMatters(_ context.Context, site string, _ time.Time) (ms []matter) {
	for i, st := range c.o.Emergency.Of(site) {
		if !st.On {
			continue
		}
		info := gateway.Switches()[i]
		m := matter{Key: "switch", Tone: ui.Alert, Title: noren.Text{Ja: info.Name.Ja + "：オン", En: info.Name.En + ": on"}, Why: info.Customers,
			Do: deed{noren.Text{Ja: "非常時のページへ", En: "Open Emergency"}, sitePath(site, "/emergency")}}
		ms = append(ms, m)
	}
	return ms
}
