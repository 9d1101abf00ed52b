package sampleshop

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
)

const exported = 100_000

// csvCell keeps a spreadsheet from running what a customer typed: a cell that
// begins like a formula gets an apostrophe (OWASP, CSV injection). Spreadsheets
// read the full-width signs alike.
func csvCell(s string) string {
	trimmed := strings.TrimLeft(s, " \u3000")
	if trimmed != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(trimmed)[0]) {
		return "'" + s
	}
	return s
}

// writeCSV answers with a file Excel opens as UTF-8.
func writeCSV(w http.ResponseWriter, name string, rows [][]string) error {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	if _, err := w.Write([]byte("\uFEFF")); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = csvCell(cell)
		}
		if err := c.Write(safe); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func (s *Shop) exportOrders(w http.ResponseWriter, r *http.Request) error {
	orders, err := s.Orders(r.Context(), exported)
	if err != nil {
		return err
	}
	rows := [][]string{{"注文番号", "注文日時", "対応状況", "お名前", "フリガナ", "郵便番号", "都道府県", "住所", "電話番号", "メールアドレス", "お届け時間帯", "支払方法", "小計", "送料", "手数料", "合計", "備考"}}
	for _, o := range orders {
		rows = append(rows, []string{o.Number(), o.At.In(japan()).Format("2006-01-02 15:04:05"), o.Status, o.Name, o.Kana, o.Postal, o.Prefecture, o.Address,
			o.Phone, o.Mail, o.Delivery, o.MethodName(), itoa(o.Subtotal), itoa(o.Shipping), itoa(o.Fee), itoa(o.Total), o.Note})
	}
	return writeCSV(w, "orders.csv", rows)
}

func (s *Shop) exportCustomers(w http.ResponseWriter, r *http.Request) error {
	customers, err := s.Customers(r.Context(), exported)
	if err != nil {
		return err
	}
	rows := [][]string{{"会員ID", "登録日", "お名前", "フリガナ", "郵便番号", "都道府県", "住所", "電話番号", "メールアドレス", "注文回数"}}
	for _, c := range customers {
		rows = append(rows, []string{itoa(c.ID), c.Since.In(japan()).Format("2006-01-02"), c.Name, c.Kana, c.Postal, c.Prefecture, c.Address, c.Phone, c.Mail, strconv.Itoa(c.Orders)})
	}
	return writeCSV(w, "customers.csv", rows)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
