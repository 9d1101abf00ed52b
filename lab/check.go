package lab

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"html"
	"math/bits"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// checkPage is what a browser sees of a page that asks for a little work first:
// a form with a puzzle that the page's script solves.
type checkPage struct {
	action       string
	puzzle       string
	level, parts int
}

var (
	checkForm  = regexp.MustCompile(`<form id="check" method="post" action="([^"]+)" data-level="(\d+)" data-parts="(\d+)">`)
	checkField = regexp.MustCompile(`name="puzzle" value="([^"]+)"`)
)

// checkOf finds the form in an answer; ok is false when it is no such page.
func checkOf(a answer) (p checkPage, ok bool) {
	form, field := checkForm.FindStringSubmatch(a.body), checkField.FindStringSubmatch(a.body)
	if a.status != http.StatusForbidden || form == nil || field == nil {
		return p, false
	}
	p = checkPage{action: html.UnescapeString(form[1]), puzzle: html.UnescapeString(field[1])}
	p.level, _ = strconv.Atoi(form[2])
	p.parts, _ = strconv.Atoi(form[3])
	return p, p.level <= 20 && p.parts <= 8
}

// solve does what the page's script does.
func (p checkPage) solve() string {
	text := p.puzzle + strings.Repeat(".", max(0, sha256.BlockSize-len(p.puzzle)))
	found := make([]string, p.parts)
	for i := range found {
		for n := 0; ; n++ {
			try := strconv.Itoa(n)
			sum := sha256.Sum256([]byte(text + strconv.Itoa(i) + "." + try))
			if bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:])) >= p.level {
				found[i] = try
				break
			}
		}
	}
	return strings.Join(found, ",")
}

// pass solves the check as a browser does; what was asked for is asked again by
// the caller.
func (b *browser) pass(ctx context.Context, p checkPage) error {
	u, err := b.base.Parse(p.action)
	if err != nil {
		return err
	}
	form := url.Values{"puzzle": {p.puzzle}, "proof": {p.solve()}, "back": {"/"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	b.pageHeaders(req)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	_, err = b.do(req, "check")
	return err
}
