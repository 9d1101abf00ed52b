package sampleshop

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed products.tsv
var productsText string

// category is one shelf of the shop.
type category struct{ ID, Name, Text string }

func categories() []category {
	return []category{
		{"cha", "日本茶", "産地を訪ね、飲んで選んだお茶だけを。"},
		{"chaki", "茶器", "急須・土瓶・茶筒。毎日手にする道具です。"},
		{"utsuwa", "うつわ", "湯呑み・茶碗・皿。窯元から届きました。"},
		{"dogu", "茶道具", "お抹茶を点てる、暮らしを整える。"},
		{"okuri", "贈りもの", "のし・包装は無料で承ります。"},
	}
}

// Product is one article.
type Product struct {
	ID, Category, Name, Size, Badge, Text string
	Price                                 int64 // yen, tax included
	Stock                                 int
}

// catalogue is what products.tsv holds.
type catalogue struct {
	products []Product
	pictures map[string][]byte // SVG by product
}

func loadCatalogue() (catalogue, error) {
	art, err := template.New("").Parse(artText)
	if err != nil {
		return catalogue{}, fmt.Errorf("parse art.tmpl: %w", err)
	}
	c := catalogue{pictures: map[string][]byte{}}
	for i, line := range strings.Split(strings.TrimSuffix(productsText, "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 12 {
			return catalogue{}, fmt.Errorf("products.tsv:%d: %d fields instead of 12", i+1, len(f))
		}
		price, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return catalogue{}, fmt.Errorf("products.tsv:%d: price: %w", i+1, err)
		}
		svg, err := draw(art, look{shape: f[6], main: f[7], accent: f[8], ground: f[9], pattern: f[10]})
		if err != nil {
			return catalogue{}, fmt.Errorf("products.tsv:%d: %w", i+1, err)
		}
		c.pictures[f[0]] = svg
		c.products = append(c.products, Product{ID: f[0], Category: f[1], Name: f[2], Size: f[3], Price: price, Badge: f[5], Text: f[11], Stock: 100_000})
	}
	return c, nil
}

const productColumns = `id, category, name, size, price, badge, description, stock`

// Products lists every article in the order of the shelves.
func (s *Shop) Products(ctx context.Context) ([]Product, error) {
	return s.queryProducts(ctx, `SELECT `+productColumns+` FROM products ORDER BY position`)
}

func (s *Shop) productsOf(ctx context.Context, category string) ([]Product, error) {
	return s.queryProducts(ctx, `SELECT `+productColumns+` FROM products WHERE category = $1 ORDER BY position`, category)
}

// find returns the products that hold every word.
func (s *Shop) find(ctx context.Context, words []string) ([]Product, error) {
	where := make([]string, 0, len(words))
	args := make([]any, 0, len(words))
	for _, w := range words {
		args = append(args, "%"+escapeLike(w)+"%")
		n := strconv.Itoa(len(args))
		where = append(where, `(name LIKE $`+n+` ESCAPE '\' OR description LIKE $`+n+` ESCAPE '\' OR size LIKE $`+n+` ESCAPE '\')`)
	}
	return s.queryProducts(ctx, `SELECT `+productColumns+` FROM products WHERE `+strings.Join(where, " AND ")+` ORDER BY position`, args...)
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func (s *Shop) productByID(ctx context.Context, id string) (Product, error) {
	ps, err := s.queryProducts(ctx, `SELECT `+productColumns+` FROM products WHERE id = $1`, id)
	if err != nil {
		return Product{}, err
	}
	if len(ps) == 0 {
		return Product{}, errNotFound
	}
	return ps[0], nil
}

func (s *Shop) queryProducts(ctx context.Context, query string, args ...any) ([]Product, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	defer rows.Close()
	var out []Product
	for rows.Next() {
		var p Product
		if err := rows.Scan(&p.ID, &p.Category, &p.Name, &p.Size, &p.Price, &p.Badge, &p.Text, &p.Stock); err != nil {
			return nil, fmt.Errorf("read products: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Review is what a customer thinks of a product.
type Review struct {
	Name, Body string
	Stars      int
	At         time.Time
}

const reviewsShown = 20

func (s *Shop) reviews(ctx context.Context, product string) ([]Review, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT name, stars, body, created_at FROM reviews WHERE product = $1 ORDER BY id DESC LIMIT $2`, product, reviewsShown)
	if err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	defer rows.Close()
	var out []Review
	for rows.Next() {
		var r Review
		var at int64
		if err := rows.Scan(&r.Name, &r.Stars, &r.Body, &at); err != nil {
			return nil, fmt.Errorf("read reviews: %w", err)
		}
		r.At = time.Unix(at, 0)
		out = append(out, r)
	}
	return out, rows.Err()
}

func (s *Shop) addReview(ctx context.Context, product string, customer int64, rv Review) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO reviews (product, customer, name, stars, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
			product, customer, rv.Name, rv.Stars, rv.Body, rv.At.Unix())
		return err
	})
}

// takeStock takes pieces off the shelf, or says that there are too few.
func takeStock(ctx context.Context, tx *sql.Tx, product string, pieces int) error {
	res, err := tx.ExecContext(ctx, `UPDATE products SET stock = stock - $1 WHERE id = $2 AND stock >= $1`, pieces, product)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errSoldOut)
	}
	return nil
}

var errSoldOut = errors.New("sold out")
