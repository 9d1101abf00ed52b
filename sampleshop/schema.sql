CREATE TABLE products (
	id TEXT PRIMARY KEY, position INTEGER NOT NULL, category TEXT NOT NULL, name TEXT NOT NULL, size TEXT NOT NULL,
	price INTEGER NOT NULL, badge TEXT NOT NULL, description TEXT NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE customers (
	id INTEGER PRIMARY KEY, mail TEXT NOT NULL UNIQUE, password TEXT NOT NULL, name TEXT NOT NULL, kana TEXT NOT NULL,
	postal TEXT NOT NULL, prefecture TEXT NOT NULL, address TEXT NOT NULL, phone TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE orders (
	id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, customer INTEGER REFERENCES customers(id), status TEXT NOT NULL,
	name TEXT NOT NULL, kana TEXT NOT NULL, postal TEXT NOT NULL, prefecture TEXT NOT NULL, address TEXT NOT NULL,
	phone TEXT NOT NULL, mail TEXT NOT NULL, note TEXT NOT NULL, delivery TEXT NOT NULL, method TEXT NOT NULL,
	subtotal INTEGER NOT NULL, shipping INTEGER NOT NULL, fee INTEGER NOT NULL, total INTEGER NOT NULL,
	last4 TEXT NOT NULL, charge TEXT NOT NULL, slip TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE INDEX orders_customer ON orders(customer, id);
CREATE TABLE order_items (
	order_id INTEGER NOT NULL REFERENCES orders(id), product TEXT NOT NULL, name TEXT NOT NULL, price INTEGER NOT NULL,
	quantity INTEGER NOT NULL);
CREATE INDEX order_items_order ON order_items(order_id);
CREATE TABLE reviews (
	id INTEGER PRIMARY KEY, product TEXT NOT NULL REFERENCES products(id), customer INTEGER NOT NULL, name TEXT NOT NULL,
	stars INTEGER NOT NULL, body TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE INDEX reviews_product ON reviews(product, id);
CREATE TABLE messages (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL, mail TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
	created_at INTEGER NOT NULL);
CREATE TABLE admins (name TEXT PRIMARY KEY, password TEXT NOT NULL);
CREATE TABLE sessions (token BLOB PRIMARY KEY, data TEXT NOT NULL, expires_at INTEGER NOT NULL);
