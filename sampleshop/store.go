package sampleshop

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shelf is a category with the first of its products.
type shelf struct {
	category
	Products []Product
}

const onShelf = 6 // products of a category on the first page

func (s *Shop) home(w http.ResponseWriter, r *http.Request) error {
	ps, err := s.Products(r.Context())
	if err != nil {
		return err
	}
	var shelves []shelf
	for _, c := range categories() {
		sh := shelf{category: c}
		for _, p := range ps {
			if p.Category == c.ID && len(sh.Products) < onShelf {
				sh.Products = append(sh.Products, p)
			}
		}
		shelves = append(shelves, sh)
	}
	return s.render(w, r, http.StatusOK, "home", view{Data: shelves})
}

type listPage struct {
	Lead     string
	Products []Product
	Search   bool
}

func (s *Shop) category(w http.ResponseWriter, r *http.Request) error {
	for _, c := range categories() {
		if c.ID != r.PathValue("category") {
			continue
		}
		ps, err := s.productsOf(r.Context(), c.ID)
		if err != nil {
			return err
		}
		return s.render(w, r, http.StatusOK, "list", view{Title: c.Name, Data: listPage{Lead: c.Text, Products: ps}})
	}
	return errNotFound
}

const (
	maxSearch = 200 // characters
	maxWords  = 8
)

func (s *Shop) search(w http.ResponseWriter, r *http.Request) error {
	q := s.value(r, "q")
	if utf8.RuneCountInString(q) > maxSearch {
		q = string([]rune(q)[:maxSearch])
	}
	words := strings.Fields(q)
	if len(words) > maxWords {
		words = words[:maxWords]
	}
	list := listPage{Lead: "探しているお品の名前や産地をお入れください。", Search: true}
	if len(words) > 0 {
		var err error
		if s.opts.Weak {
			list.Products, err = s.findWeakly(r.Context(), q)
		} else {
			list.Products, err = s.find(r.Context(), words)
		}
		if err != nil {
			return err
		}
		list.Lead = "「" + q + "」の検索結果 " + strconv.Itoa(len(list.Products)) + "件"
	}
	return s.render(w, r, http.StatusOK, "list", view{Title: "商品検索", Words: q, Data: list})
}

type productPage struct {
	Product Product
	Shelf   category
	Reviews []Review
	Average string
	Others  []Product
}

func (s *Shop) product(w http.ResponseWriter, r *http.Request) error {
	return s.showProduct(w, r, http.StatusOK, nil)
}

func (s *Shop) showProduct(w http.ResponseWriter, r *http.Request, status int, faults []string) error {
	p, err := s.productByID(r.Context(), r.PathValue("product"))
	if err != nil {
		return err
	}
	page := productPage{Product: p}
	for _, c := range categories() {
		if c.ID == p.Category {
			page.Shelf = c
		}
	}
	if page.Reviews, err = s.reviews(r.Context(), p.ID); err != nil {
		return err
	}
	if n := len(page.Reviews); n > 0 {
		sum := 0
		for _, rv := range page.Reviews {
			sum += rv.Stars
		}
		page.Average = strconv.FormatFloat(float64(sum)/float64(n), 'f', 1, 64)
	}
	others, err := s.productsOf(r.Context(), p.Category)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID != p.ID && len(page.Others) < 4 {
			page.Others = append(page.Others, o)
		}
	}
	return s.render(w, r, status, "product", view{Title: p.Name, Errors: faults, Data: page})
}

// review takes a member's opinion.
func (s *Shop) review(w http.ResponseWriter, r *http.Request) error {
	sess, err := s.session(r)
	if err != nil {
		return err
	}
	if sess.Customer == 0 {
		return see(w, r, "/login")
	}
	p, err := s.productByID(r.Context(), r.PathValue("product"))
	if err != nil {
		return err
	}
	stars, _ := strconv.Atoi(s.value(r, "stars"))
	rv := Review{Name: s.value(r, "name"), Body: s.value(r, "body"), Stars: stars, At: s.opts.Now()}
	var f faults
	f.text("お名前（表示名）", rv.Name, 40)
	f.text("ご感想", rv.Body, 1000)
	if stars < 1 || stars > 5 {
		f.add("星は1から5でお選びください。")
	}
	if len(f) > 0 {
		return s.showProduct(w, r, http.StatusOK, f)
	}
	if err := s.addReview(r.Context(), p.ID, sess.Customer, rv); err != nil {
		return err
	}
	sess.Notice = "ご感想をありがとうございました。"
	if err := s.save(w, r, sess); err != nil {
		return err
	}
	return see(w, r, "/products/"+p.ID)
}

func (s *Shop) guide(w http.ResponseWriter, r *http.Request) error {
	title, ok := map[string]string{"law": "特定商取引法に基づく表記", "privacy": "個人情報の取り扱い", "shipping": "お届けと送料"}[r.PathValue("guide")]
	if !ok {
		return errNotFound
	}
	return s.render(w, r, http.StatusOK, "guide", view{Title: title, Data: r.PathValue("guide")})
}
