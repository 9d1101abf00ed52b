package console

import (
	"net/http"

	"noren"
	"noren/staff"
)

// errConfirm asks for the second factor once more.
var errConfirm = noren.Errorf(noren.Denied, "the second factor is asked for again")

// confirmed refuses an act unless the second factor was given lately; the person
// is asked for it and led back.
func (v *visit) confirmed() error {
	v.sure = true
	if v.c.o.Staff.Confirmed(v.who, staff.ConfirmFor) {
		return nil
	}
	return errConfirm
}

// askConfirm shows the form for the code. What was posted is carried along, so
// that nothing has to be typed again.
type confirmForm struct {
	To     string // posted as "then": forms that are carried along have a "to" of their own
	Fields [][2]string
	Wrong  noren.Text
}

// carriedMost bounds what is carried along.
const carriedMost = 100

func (v *visit) askConfirm() error {
	f := confirmForm{To: v.r.URL.Path}
	for name, values := range v.r.PostForm {
		for _, value := range values {
			if len(f.Fields) < carriedMost && name != "code" {
				f.Fields = append(f.Fields, [2]string{name, value})
			}
		}
	}
	return v.pageWith(http.StatusForbidden, "confirm", f)
}

// confirm takes the code and posts what was asked for before (307 keeps method
// and body: RFC 9110, 15.4.8).
func (c *Console) confirm(v *visit) error {
	to := back(v.field("then"), "/")
	err := c.o.Staff.Reconfirm(v.r.Context(), v.who, v.by(""), v.field("code"))
	if text, ok := forPerson(err); ok {
		f := confirmForm{To: to, Wrong: text}
		for name, values := range v.r.PostForm {
			for _, value := range values {
				if name != "code" && name != "then" && len(f.Fields) < carriedMost {
					f.Fields = append(f.Fields, [2]string{name, value})
				}
			}
		}
		return v.pageWith(http.StatusForbidden, "confirm", f)
	}
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, to, http.StatusTemporaryRedirect)
	return nil
}
