package staff

import (
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
)

// The whole table: what each role may, at its own site, at another, and where no
// single site is meant.
func TestRolesMay(t *testing.T) {
	all := map[Role][]Permission{Owner: {See, SeePersonal, Act, Policies, Settings, People}, Worker: {See, SeePersonal, Act}, Viewer: {See}}
	for role, may := range all {
		for _, p := range Permissions() {
			want := slices.Contains(may, p)
			if got := (Grants{AllSites: role}).May("tea", p); got != want {
				t.Errorf("%s everywhere may %s at tea: %v", role, p, got)
			}
			if got := (Grants{AllSites: role}).May(AllSites, p); got != want {
				t.Errorf("%s everywhere may %s: %v", role, p, got)
			}
			g := Grants{"tea": role}
			if g.May("tea", p) != want || g.May("cakes", p) || g.May(AllSites, p) {
				t.Errorf("%s at tea: %s", role, p)
			}
		}
	}
	if (Grants{AllSites: Viewer, "tea": Worker}).May("tea", Act) != true || (Grants{AllSites: "king"}).May("tea", See) || (Grants(nil)).May("tea", See) {
		t.Error("the stronger role counts, and what is no role is none")
	}
	if May(nil, "tea", See) || May(&Person{Roles: Grants{AllSites: Owner}, RemovedAt: noren.At(time.Now())}, "tea", See) {
		t.Error("nobody, and who was removed, may nothing")
	}
	if len(Roles()) != len(all) {
		t.Error("a role is missing here")
	}
}

func TestChangesOfRolesHoldOnTheNextRequest(t *testing.T) {
	each(t, func(w *world) {
		ctx, boss := w.Context(), w.owner()
		p := w.invited("t@example.jp", Grants{"tea": Worker})
		far := w.other()
		look := func(s *Staff) *Session {
			x, err := s.Session(ctx, p.Token)
			w.must(err)
			return x
		}
		if !look(w.Staff).May("tea", Act) || look(far).May("cakes", See) {
			w.Fatal("roles at first")
		}
		w.must(w.SetRole(ctx, By{Person: boss.id()}, p.id(), "tea", Viewer))
		if look(w.Staff).May("tea", Act) {
			w.Fatal("the next request on this node still acts")
		}
		w.clock.pass(fresh)
		if look(far).May("tea", Act) {
			w.Fatal("another node still lets them act after a second")
		}
		w.must(w.Remove(ctx, By{Person: boss.id()}, p.id()))
		_, err := w.Session(ctx, p.Token)
		w.code(err, noren.Denied)
		w.clock.pass(fresh)
		_, err = far.Session(ctx, p.Token)
		w.code(err, noren.Denied)
		_, err = w.SignIn(ctx, Attempt{Mail: "t@example.jp", Password: p.password, Address: home})
		w.code(err, noren.Denied)
		if who, err := w.Person(ctx, p.id()); err != nil || who.Name != "田中" || who.RemovedAt.IsZero() || len(who.Roles) != 0 {
			w.Fatalf("the record must still name who left: %+v, %v", who, err)
		}
		w.invited("t@example.jp", Grants{"tea": Viewer}) // and may come back as somebody new
	})
}

func TestTheLastOwnerStays(t *testing.T) {
	each(t, func(w *world) {
		ctx, boss := w.Context(), w.owner()
		w.code(w.Remove(ctx, machine, boss.id()), noren.Conflict)
		w.code(w.SetRole(ctx, machine, boss.id(), AllSites, Viewer), noren.Conflict)
		w.must(w.SetRole(ctx, machine, boss.id(), "tea", Owner))
		w.code(w.SetRole(ctx, machine, boss.id(), AllSites, ""), noren.Conflict) // an owner of one site is not one of all
		second := w.invited("two@example.jp", Grants{AllSites: Owner})
		// Both leave at the same moment, on two nodes: one stays.
		ids := []string{boss.id(), second.id()}
		together([]*Staff{w.Staff, w.other()}, func(i int, s *Staff) error { return s.Remove(ctx, machine, ids[i]) })
		people, err := w.People(ctx)
		w.must(err)
		if len(people) != 1 || people[0].Roles[AllSites] != Owner {
			w.Fatalf("%+v", people)
		}
		if has, err := w.HasOwner(ctx); err != nil || !has {
			w.Fatal(has, err)
		}
		_, err = w.OwnerLink(ctx, machine)
		w.code(err, noren.Conflict)
	})
}

func TestOnlyOwnersManageAndOnlyTheirSites(t *testing.T) {
	each(t, func(w *world) {
		ctx := w.Context()
		boss := w.owner()
		tea := w.invited("tea@example.jp", Grants{"tea": Owner})
		worker := w.invited("w@example.jp", Grants{"tea": Worker, "cakes": Worker})
		byTea, byWorker := By{Person: tea.id()}, By{Person: worker.id()}
		for name, err := range map[string]error{
			"a worker invites":                  second(w.Invite(ctx, byWorker, "", Grants{"tea": Viewer})),
			"a worker makes themselves owner":   w.SetRole(ctx, byWorker, worker.id(), "tea", Owner),
			"tea's owner invites to cakes":      second(w.Invite(ctx, byTea, "", Grants{"cakes": Viewer})),
			"tea's owner invites everywhere":    second(w.Invite(ctx, byTea, "", Grants{"tea": Viewer, AllSites: Viewer})),
			"tea's owner becomes owner of all":  w.SetRole(ctx, byTea, tea.id(), AllSites, Owner),
			"tea's owner removes one of cakes":  w.Remove(ctx, byTea, worker.id()),
			"tea's owner resets the owner":      second(w.ResetLink(ctx, byTea, boss.id())),
			"tea's owner ends owner's sessions": w.EndAll(ctx, byTea, boss.id()),
			"nobody":                            second(w.Invite(ctx, By{}, "", Grants{"tea": Viewer})),
			"somebody made up":                  second(w.Invite(ctx, By{Person: "x"}, "", Grants{"tea": Viewer})),
		} {
			if noren.CodeOf(err) != noren.Denied {
				w.Errorf("%s: %v", name, err)
			}
		}
		w.must(w.SetRole(ctx, byTea, worker.id(), "tea", Viewer))
		link, err := w.Invite(ctx, byTea, "new@example.jp", Grants{"tea": Worker})
		w.must(err)
		w.must(w.SetRole(ctx, machine, tea.id(), "tea", Worker))
		_, err = w.Link(ctx, link.Token) // who may no longer invite has invited nobody
		w.code(err, noren.Denied)
	})
}

func second[T any](_ T, err error) error { return err }

func TestLinks(t *testing.T) {
	each(t, func(w *world) {
		ctx := w.Context()
		first := w.link(w.OwnerLink(ctx, machine))
		newer := w.link(w.OwnerLink(ctx, machine))
		_, err := w.Link(ctx, first) // only the newest
		w.code(err, noren.Denied)
		l, err := w.Link(ctx, newer)
		w.must(err)
		if l.Kind != LinkOwner || l.Roles[AllSites] != Owner {
			w.Fatalf("%+v", l)
		}
		secret := NewSecret()
		good := Joining{Name: "店主", Mail: "o@example.jp", Password: goodPassword + "を見た", Secret: secret, Code: (&someone{w: w, secret: secret}).code()}
		for name, change := range map[string]func(*Joining){
			"no name":       func(j *Joining) { j.Name = " " },
			"bad mail":      func(j *Joining) { j.Mail = "o@@example.jp" },
			"weak password": func(j *Joining) { j.Password = "password1234" },
			"no factor":     func(j *Joining) { j.Secret, j.Code = "", "" },
			"wrong code":    func(j *Joining) { j.Code = "000000" },
		} {
			j := good
			change(&j)
			if _, err := w.Join(ctx, newer, j); noren.CodeOf(err) != noren.Invalid {
				w.Errorf("%s: %v", name, err)
			}
		}
		boss, err := w.Join(ctx, newer, good) // still good after all that
		w.must(err)
		_, err = w.Join(ctx, newer, good)
		w.code(err, noren.Denied)
		if _, err := w.Session(ctx, boss.Token); err != nil {
			w.Fatal("who joined is signed in", err)
		}
		w.code(w.Reconfirm(ctx, &boss.Session, By{Person: boss.Session.Person.ID}, good.Code), noren.Denied) // the code of the joining is used up

		invite := w.link(w.Invite(ctx, machine, "o@example.jp", Grants{"tea": Viewer}))
		j := good
		j.Secret = NewSecret()
		j.Code = (&someone{w: w, secret: j.Secret}).code()
		_, err = w.Join(ctx, invite, j) // the address is taken
		w.code(err, noren.Conflict)
		links, err := w.Links(ctx)
		w.must(err)
		if len(links) != 1 || links[0].Mail != "o@example.jp" {
			w.Fatalf("%+v", links)
		}
		w.must(w.Withdraw(ctx, machine, links[0].ID))
		_, err = w.Link(ctx, invite)
		w.code(err, noren.Denied)
		late := w.link(w.Invite(ctx, machine, "", Grants{"tea": Viewer}))
		w.clock.pass(inviteFor)
		_, err = w.Link(ctx, late)
		w.code(err, noren.Denied)
		_, err = w.Link(ctx, strings.Repeat("A", 43))
		w.code(err, noren.Denied)
	})
}

func TestResetLetsInAgainAndEndsEverythingElse(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		w.clock.pass(time.Hour)
		token := w.link(w.ResetLink(ctx, machine, p.id()))
		if _, err := w.Session(ctx, p.Token); err != nil {
			w.Fatal("making a link ends nothing", err)
		}
		anew := &someone{w: w, password: "hachi no ji ni tobu", secret: NewSecret()}
		var err error
		anew.Joined, err = w.Join(ctx, token, Joining{Name: "ignored", Mail: "ignored@example.jp", Password: anew.password, Secret: anew.secret, Code: anew.code(), Address: home})
		w.must(err)
		if anew.id() != p.id() || anew.Session.Person.Mail != "owner@example.jp" || anew.Session.Person.Roles[AllSites] != Owner {
			w.Fatalf("%+v", anew.Session.Person)
		}
		_, err = w.Session(ctx, p.Token)
		w.code(err, noren.Denied)
		w.clock.pass(time.Hour)
		_, err = p.signIn(w.Staff, p.browser) // old password
		w.code(err, noren.Denied)
		old := *p
		old.password = anew.password // old second factor
		_, err = old.signIn(w.Staff, p.browser)
		w.code(err, noren.Denied)
		_, err = anew.signIn(w.Staff, "")
		w.must(err)
		if got := w.log.did(); !slices.Contains(got, "staff.reset_link") || !slices.Contains(got, "staff.reset") {
			w.Fatalf("%v", got)
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		sign := func() SignedIn {
			w.clock.pass(time.Minute)
			in, err := p.signIn(w.Staff, p.browser)
			w.must(err)
			return in
		}
		a, b, c := sign(), sign(), sign()
		list, err := w.Sessions(ctx, p.id())
		w.must(err)
		if len(list) != 4 || list[0].ID != c.Session.ID || list[0].Browser != "Firefox" || list[0].Address != home {
			w.Fatalf("%+v", list)
		}
		by := By{Person: p.id(), Address: home}
		w.must(w.End(ctx, by, p.id(), a.Session.ID))
		w.code(w.End(ctx, by, p.id(), a.Session.ID), noren.NotFound)
		w.must(w.EndOthers(ctx, &b.Session, by))
		for name, in := range map[string]SignedIn{"ended": a, "other": c, "from joining": p.SignedIn} {
			if _, err := w.Session(ctx, in.Token); noren.CodeOf(err) != noren.Denied {
				w.Errorf("%s: %v", name, err)
			}
		}
		_, err = w.Session(ctx, b.Token)
		w.must(err)
		w.must(w.ChangePassword(ctx, &b.Session, by, p.password, "hachi no ji ni tobu"))
		p.password = "hachi no ji ni tobu"
		d := sign()
		next := NewSecret()
		w.must(w.ChangeFactor(ctx, &d.Session, by, next, (&someone{w: w, secret: next}).code()))
		_, err = w.Session(ctx, b.Token) // a new second factor ends the others
		w.code(err, noren.Denied)
		p.secret = next
		e := sign()
		w.must(w.EndAll(ctx, machine, p.id()))
		_, err = w.Session(ctx, e.Token)
		w.code(err, noren.Denied)
	})
}

func TestSessionsEndByThemselves(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		far := w.other()
		for range 20 { // used every eight hours
			if _, err := w.Session(ctx, p.Token); err != nil {
				w.Fatal(err)
			}
			w.flush(ctx)
			w.clock.pass(8 * time.Hour)
		}
		_, err := far.Session(ctx, p.Token) // a node that was not asked before
		w.must(err)
		w.clock.pass(8 * time.Hour)
		_, err = w.Session(ctx, p.Token) // seven days
		w.code(err, noren.Denied)
		w.clock.pass(time.Hour)
		in, err := p.signIn(w.Staff, p.browser)
		w.must(err)
		w.clock.pass(idleEnd - time.Minute)
		_, err = w.Session(ctx, in.Token)
		w.must(err)
		w.clock.pass(idleEnd)
		_, err = w.Session(ctx, in.Token)
		w.code(err, noren.Denied)
		_, err = w.other().Session(ctx, in.Token)
		w.code(err, noren.Denied)
	})
}

// A page costs no statement while nothing changes.
func TestSessionIsReadFromMemory(t *testing.T) {
	each(t, func(w *world) {
		p := w.owner()
		_, err := w.Session(w.Context(), p.Token)
		w.must(err)
		w.db.Close()
		for range 100 {
			if _, err := w.Session(w.Context(), p.Token); err != nil {
				w.Fatal(err)
			}
		}
	})
}

func TestPruneKeepsWhoWorksHere(t *testing.T) {
	each(t, func(w *world) {
		ctx, p := w.Context(), w.owner()
		gone := w.invited("g@example.jp", Grants{"tea": Viewer})
		w.must(w.Remove(ctx, machine, gone.id()))
		w.clock.pass(400 * 24 * time.Hour)
		w.must(w.vault.Rotate(ctx, "staff"))
		now := w.clock.now()
		_, err := w.vault.Retain(ctx, now, 13*31*24*time.Hour) // the keys of all months of theirs
		w.must(err)
		w.must(w.Prune(ctx, now, now.Add(-399*24*time.Hour)))
		_, err = w.Person(ctx, gone.id())
		w.code(err, noren.NotFound)
		in, err := p.signIn(w.Staff, "")
		w.must(err)
		if in.Session.Person.Name != "店主" {
			w.Fatal(in.Session.Person)
		}
		if left := dump(w); strings.Contains(left, gone.id()) {
			w.Fatalf("something of %s is left", gone.id())
		}
	})
}

// Rows that take each other's place open for nobody.
func TestMovedRowsDoNotOpen(t *testing.T) {
	each(t, func(w *world) {
		ctx, boss := w.Context(), w.owner()
		p := w.invited("p@example.jp", Grants{"tea": Viewer})
		_, err := w.changesOne(ctx, "lie", `UPDATE staff_people SET password = (SELECT password FROM staff_people WHERE id = $1) WHERE id = $2`, p.id(), boss.id())
		w.must(err)
		_, err = w.SignIn(ctx, Attempt{Mail: "owner@example.jp", Password: p.password, Address: home})
		w.code(err, noren.Tampered)
	})
}
