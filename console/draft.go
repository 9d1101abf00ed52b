package console

import (
	"errors"
	"net/http"
	"path"
	"strings"

	"noren"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// draft is a change of the settings that is not in force: what a form carries from
// page to page.
type draft struct {
	Op      string // what is done: see the constants
	File    string
	Text    string
	Base    string // hash of the settings it was made from
	Version string // of opReturn
}

// What a draft does.
const (
	opPut    = "put"    // the file has this text
	opDelete = "delete" // the file is gone
	opReturn = "return" // all files are as they were in a version
)

// formMemory is what of a form is kept in memory while it is read; the rest of the
// two MiB that are read at all goes to a file.
const formMemory = 4 << 20

// draft reads a draft from the form. Browsers send line ends as CRLF (HTML, 4.10.22).
func (v *visit) draft() (d draft, err error) {
	if err := v.r.ParseMultipartForm(formMemory); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return d, err
	}
	d = draft{Op: v.field("op"), File: v.field("file"), Base: v.field("base"), Version: v.field("version")}
	d.Text = strings.ReplaceAll(v.r.PostFormValue("text"), "\r\n", "\n")
	switch d.Op {
	case "":
		d.Op = opPut
	case opPut, opDelete, opReturn:
	default:
		return d, noren.Errorf(noren.Invalid, "a draft does not do %q", d.Op)
	}
	if d.Op != opReturn {
		return d, v.mayTouch(d.File)
	}
	return d, nil
}

// ofSite is the site whose file a path is; "" for what all sites share.
func ofSite(file string) string {
	rest, ok := strings.CutPrefix(file, "sites/")
	if !ok {
		return ""
	}
	site, _, _ := strings.Cut(rest, "/")
	return site
}

// sees reports whether a file is shown at this site: what all share, and its own.
func (v *visit) sees(file string) bool { s := ofSite(file); return s == "" || s == v.site }

// mayName reports whether a message may name a file to the visitor.
func (v *visit) mayName(file string) bool {
	return v.sees(file) || staff.May(v.who.Person, staff.AllSites, staff.See)
}

// edits reports whether the visitor may change a file. What all sites share is
// changed by people who may do so everywhere; who may enter is a matter of its own.
func (v *visit) edits(file string) bool {
	need := staff.Policies
	switch path.Base(file) {
	case "access.yaml":
		need = staff.Settings
	case "exclusions.yaml": // made on a page of their own, tried and approved
		return false
	}
	return staff.May(v.who.Person, ofSite(file), need)
}

// mayTouch refuses files of other sites as if they were not there, and those that
// the visitor may only read.
func (v *visit) mayTouch(file string) error {
	switch {
	case file == "" || !v.sees(file) && !staff.May(v.who.Person, staff.AllSites, staff.Policies):
		return noren.Errorf(noren.NotFound, "no file %q at site %s", cutTo(file, 80), v.site)
	case !v.edits(file):
		return noren.Errorf(noren.Denied, "%s may not change %s", v.who.Person.ID, cutTo(file, 80))
	}
	return nil
}

// on is the set with the draft in it. before are the files of the version that
// opReturn goes back to; only those that may be edited go back.
func (d *draft) on(now, before settings.Set, edits func(string) bool) settings.Set {
	out := settings.Set{}
	for p, text := range now {
		out[p] = text
	}
	switch d.Op {
	case opPut:
		out[d.File] = d.Text
	case opDelete:
		delete(out, d.File)
	case opReturn:
		for p := range now {
			if _, stays := before[p]; !stays && edits(p) {
				delete(out, p)
			}
		}
		for p, text := range before {
			if edits(p) {
				out[p] = text
			}
		}
	}
	return out
}

// shown are the files of a set that the visitor sees at this site. People of all
// sites see all of them where a whole version is compared.
func (v *visit) shown(set settings.Set) settings.Set {
	out := settings.Set{}
	for p, text := range set {
		if v.mayName(p) {
			out[p] = text
		}
	}
	return out
}

// tidy mends what no file may end without.
func (d *draft) tidy() {
	if d.Text != "" && !strings.HasSuffix(d.Text, "\n") {
		d.Text += "\n"
	}
}

// inShadow sets the changed policies of a draft to shadow, so that they record
// what they would do before they do it.
func (d *draft) inShadow(changed []policyChange) error {
	for _, c := range changed {
		if c.After == nil || c.After.Mode != policy.On || c.After.File != d.File || d.Op != opPut {
			continue
		}
		text, err := policy.SetMode(policy.File{Name: d.File, Data: []byte(d.Text)}, c.Name, policy.Shadow)
		if err != nil {
			return err
		}
		d.Text = string(text)
	}
	return nil
}
