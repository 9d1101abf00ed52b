package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"noren"
	"noren/notify"
)

type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Send a test message to everybody, or to those named, and say what each way answered."`
	List notifyListCmd `cmd:"" help:"List notices, whom they reached and who acknowledged them."`
	Ack  notifyAckCmd  `cmd:"" help:"Acknowledge a notice: you take care of it, and nobody else is asked."`
}

type notifyTestCmd struct {
	To   []string `placeholder:"NAME" help:"Receivers of notify.yaml (default: all)."`
	Site string   `help:"The site whose receivers are meant (default: the only one)."`
	JSON bool     `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (notifyTestCmd) Help() string {
	return "Really sends. Exit 1 when a message was not taken.\nExample: noren notify test --to owner"
}

func (c notifyTestCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return err
		}
		answers, err := in.notify.Test(ctx, site, c.To)
		if err != nil {
			return err
		}
		if len(answers) == 0 {
			what, hint := in.cfg.untold(in.rules.notify, site)
			return noren.WithHint(noren.Errorf(noren.NotFound, "%s", what), hint.En)
		}
		return printAnswers(e, answers, c.JSON)
	})
}

func printAnswers(e *env, answers []notify.Answer, asJSON bool) error {
	if asJSON {
		if err := printJSON(e.io.out, answers); err != nil {
			return err
		}
	}
	var bad error
	for _, a := range answers {
		word := noren.Text{Ja: "送りました", En: "sent"}.In(e.lang)
		if !a.OK {
			bad, word = errFindings, noren.Text{Ja: "送れません: ", En: "NOT sent: "}.In(e.lang)+a.Error
		}
		if asJSON {
			continue
		}
		fmt.Fprintf(e.io.out, "%s  %s  %s  %s\n", a.Receiver, a.Channel, a.To, word)
		if a.Hint != "" {
			fmt.Fprintf(e.io.out, "  → %s\n", a.Hint)
		}
	}
	return bad
}

type notifyListCmd struct {
	ID    string `arg:"" optional:"" help:"One notice in full."`
	Open  bool   `help:"Only those that wait for somebody to acknowledge them."`
	Site  string `help:"Of one site (default: all)."`
	Limit int    `default:"20" help:"How many."`
	JSON  bool   `name:"json" help:"Print as JSON."`
}

// Help shows examples.
func (notifyListCmd) Help() string {
	return "Examples:\n  noren notify list --open\n  noren notify list 01KE…"
}

func (c notifyListCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		all, err := c.read(ctx, in)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(e.io.out, all)
		}
		for i := range all {
			printTold(e, &all[i], c.ID != "")
		}
		if len(all) == 0 {
			fmt.Fprintln(e.io.err, noren.Text{Ja: "お知らせはありません", En: "there are no notices"}.In(e.lang))
		}
		return nil
	})
}

func (c notifyListCmd) read(ctx context.Context, in *instance) ([]notify.Told, error) {
	if c.ID != "" {
		t, err := in.notify.Get(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		return []notify.Told{*t}, nil
	}
	q := notify.Query{Open: c.Open, Limit: c.Limit}
	if c.Site != "" {
		site, err := in.cfg.site(c.Site)
		if err != nil {
			return nil, err
		}
		q.Sites = []string{site}
	}
	all, err := in.notify.List(ctx, q)
	if all == nil {
		all = []notify.Told{}
	}
	return all, err
}

func printTold(e *env, t *notify.Told, whole bool) {
	site := t.Site
	if site == "" {
		site = "-"
	}
	fmt.Fprintf(e.io.out, "%s  %s  %s  %s  ×%d  %s  %s\n", t.ID, shown(t.At.Time, toMinute), t.Severity.Words().In(e.lang), site, t.Count, ackText(t, e.lang), t.Title.In(e.lang))
	if whole {
		for line := range strings.Lines(t.Text.In(e.lang) + "\n→ " + t.Next.In(e.lang)) {
			fmt.Fprintf(e.io.out, "    %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	for _, d := range t.Sends {
		if whole || d.State == "failed" {
			fmt.Fprintf(e.io.out, "    %s  %s  %s  %s  %s\n", d.Kind, d.Receiver, d.Channel, stateText(d, e.lang), shorten(d.Error, 200))
		}
	}
}

func ackText(t *notify.Told, lang string) string {
	switch {
	case !t.AckedAt.IsZero():
		return fmt.Sprintf(noren.Text{Ja: "確認済み %s（%s 後）", En: "acknowledged by %s after %s"}.In(lang), t.AckedBy, t.AckedAfter.Round(time.Second))
	case t.Unanswered:
		return noren.Text{Ja: "誰も確認していません", En: "NOBODY acknowledged it"}.In(lang)
	case t.Severity == notify.High:
		return noren.Text{Ja: "確認待ち", En: "waits to be acknowledged"}.In(lang)
	}
	return "-"
}

func stateText(d notify.Delivery, lang string) string {
	words := map[string]noren.Text{
		"waiting": {Ja: "送信待ち " + shown(d.Due.Time, toMinute), En: "waits until " + shown(d.Due.Time, toMinute)},
		"sending": {Ja: "送信中", En: "being sent"},
		"sent":    {Ja: "送信済み " + shown(d.SentAt.Time, toMinute), En: "sent " + shown(d.SentAt.Time, toMinute)},
		"folded":  {Ja: "まとめて送ります", En: "told in a summary"},
		"dropped": {Ja: "送る必要がなくなりました", En: "nothing left to say"},
		"failed":  {Ja: "送れませんでした", En: "GIVEN UP"},
	}
	return words[d.State].In(lang)
}

type notifyAckCmd struct {
	ID   string `arg:"" help:"Number of the notice, as it stands in the message."`
	JSON bool   `name:"json" help:"Print as JSON."`
}

// Help shows an example.
func (notifyAckCmd) Help() string { return "Example: noren notify ack 01KE…" }

func (c notifyAckCmd) Run(e *env) error {
	return e.withWants(wants{getenv: e.getenv, reads: true, urgent: true}, func(ctx context.Context, in *instance) error {
		t, err := in.notify.Acknowledge(ctx, strings.ToUpper(strings.TrimSpace(c.ID)), operator())
		if err != nil {
			return noren.WithHint(err, "noren notify list shows the numbers")
		}
		if c.JSON {
			return printJSON(e.io.out, t)
		}
		printTold(e, t, false)
		return nil
	})
}
