package lab

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// The attacked shop works on so many requests at once and takes so long for
	// each: 400 a second, which the flood is more than. It is on a machine of its
	// own, so it takes time here and no processor.
	shopWorkers = 4
	shopTakes   = 10 * time.Millisecond
)

// neighbourShops are the two shops behind Noren.
type neighbourShops struct{ attacked, neighbour shopServer }

type shopServer struct {
	http *http.Server
	url  string
}

func (s *neighbourShops) open() error {
	page := "<!doctype html><title>お隣</title>" + strings.Repeat("<p>お茶と器</p>", 100)
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page)
	}
	workers := make(chan struct{}, shopWorkers)
	if err := s.attacked.open(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case workers <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-workers }()
		if wait(r.Context(), shopTakes) == nil {
			answer(w)
		}
	}); err != nil {
		return err
	}
	return s.neighbour.open(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answer(w)
	})
}

func (s *shopServer) open(handler http.HandlerFunc) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.http, s.url = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: handler}, "http://"+l.Addr().String()
	go s.http.Serve(l)
	return nil
}

func (s *neighbourShops) close() {
	for _, server := range []*http.Server{s.attacked.http, s.neighbour.http} {
		if server != nil {
			server.Close()
		}
	}
}
