// Package sampleshop is a small but real Japanese online shop, 「茶と器 のれん堂」,
// with a payment provider of its own. The demo, the tests and the labs stand
// Noren in front of it. It knows nothing of Noren and imports nothing of it.
//
// It is an ordinary, decent shop: passwords are hashed, SQL is parameterised,
// pages are escaped, foreign forms are refused, cookies are HttpOnly. It limits
// nothing – as most shops – so an attack that reaches it was let through by
// whoever stands in front.
//
// # Places
//
//	storefront        /  /category/*  /products/*  /guide/*  /assets/*
//	search            /search?q=
//	signup            /signup
//	login             POST /login
//	profile change    /mypage/address
//	cart              /cart  /cart/*
//	checkout          /checkout  /checkout/*
//	payment callback  POST /payment/callback
//	contact           /contact
//	admin             /admin  /admin/*
//	admin login       /admin/login
//	bulk export       /admin/export/*
//
// # Signing in
//
// POST /login, form fields "mail" and "password". Success answers 302 to
// /mypage (or to the local path in the field "next"); a wrong mail or password
// answers 200 with the form and a message. Nothing else is answered to a
// complete form. POST /admin/login has the fields "user" and "password" and
// answers alike (302 to /admin).
//
// POST /signup answers 302 to /mypage, or 200 with the form and messages. POST
// /mypage/address answers 302 to /mypage, or 200 with messages.
//
// # Paying
//
// POST /checkout takes the address and answers 302: with payment=card to the
// payment provider's card page (another origin), else to /checkout/confirm; with
// messages it answers 200. The provider sends the buyer back to
// /checkout/confirm?card_token=….
//
// POST /checkout/payment is the attempt to pay by card, with the form fields
// "card_token", "card_bin" (first six digits), "card_last4", and "order" and
// "amount" (yen), which tell whoever reads along what it is about; the shop goes
// by its own record of both. Its answers:
//
//	302 to /checkout/complete   the provider took the money, the order stands
//	402 with a page             the provider declined; the page says
//	                            data-decline="<the provider's code>"
//	503 with a page             the provider did not answer
//	302 to /cart or /checkout   there was nothing to pay for
//
// POST /checkout/place places an order by convenience store or cash on delivery
// and answers 302 to /checkout/complete. The provider reports payments to POST
// /payment/callback with the header X-PSP-Signature: t=<unix seconds>,
// v1=<hex HMAC-SHA256 of "t.body">; a good one answers 204.
package sampleshop
