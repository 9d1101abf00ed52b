package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	"noren"
)

// The origin lock keeps visitors from reaching the shop past Noren: the shop's
// web server refuses requests without the secret, and whoever wants to know what
// Noren knows of the visitor checks the signature.
const (
	// OriginHeader carries the secret to the shop.
	OriginHeader = "Noren-Origin"
	// VisitorHeader carries what is signed about the visitor:
	//
	//	t=1764230400; addr=203.0.113.7; zone=admin; sig=HEX
	//
	// sig is HMAC-SHA-256 with the origin secret over the lines "noren visitor
	// 1", t, method, request target, host, addr and zone, each ended by a line
	// feed but the last. A shop refuses one older than a minute.
	VisitorHeader = "Noren-Visitor"
)

// Limits of an origin secret.
const (
	minOriginSecret = 24
	maxOriginSecret = 256
)

// validOriginSecret accepts what fits a header and the rules of web servers.
func validOriginSecret(s string) error {
	if len(s) < minOriginSecret || len(s) > maxOriginSecret || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return noren.WithHint(noren.Errorf(noren.Invalid, "the origin secret must be %d to %d letters, digits, - or _", minOriginSecret, maxOriginSecret),
			"make one with: openssl rand -hex 32")
	}
	return nil
}

// lockOrigin adds the headers; what a visitor sent under their names is dropped
// by cleanHeaders.
func (x *exchange) lockOrigin(out *http.Request, say []headerLine) []headerLine {
	secret := x.shop.originSecret
	if secret == "" {
		return say
	}
	t := strconv.FormatInt(x.at.Unix(), 10)
	zone := string(x.place.Zone)
	sig := signVisitor(secret, t, out.Method, out.URL.RequestURI(), out.Host, x.clientText, zone)
	return append(say, headerLine{OriginHeader, secret},
		headerLine{VisitorHeader, "t=" + t + "; addr=" + x.clientText + "; zone=" + zone + "; sig=" + sig})
}

func signVisitor(secret string, parts ...string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("noren visitor 1\n" + strings.Join(parts, "\n")))
	return hex.EncodeToString(mac.Sum(nil))
}
