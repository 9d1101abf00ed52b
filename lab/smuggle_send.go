package lab

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// labAgent is what an ordinary browser says of itself.
const labAgent = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nAccept: text/html,*/*;q=0.8\r\n"

// fixed are the header lines every shape has besides its own.
const fixed = "Host: " + labHost + "\r\n" + labAgent

// next is the request that is sent right behind a shape, on the same connection
// and in the same write. If the gateway and the shop cut the bytes differently,
// it ends up inside another request.
func (m *smuggler) next() (path, raw string) {
	m.tries++
	path = fmt.Sprintf("/next-%d-%d", m.tries, m.r.Uint32())
	return path, "GET " + path + " HTTP/1.1\r\n" + fixed + "Connection: close\r\n\r\n"
}

const labPatience = 5 * time.Second

func (m *smuggler) overHTTP1(s shape, over string, pieces bool) outcome {
	path, behind := m.next()
	o := outcome{over: over, next: path}
	c, err := m.dial(over)
	if err != nil {
		o.err = err
		return o
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(labPatience))
	o.err = m.write(c, s.raw+behind, pieces)
	o.statuses, err = readStatuses(bufio.NewReader(c), strings.HasPrefix(s.raw, "HEAD "))
	if o.err == nil {
		o.err = err
	}
	o.received, o.inspected = m.shop.take(), m.door.Inspected()
	return o
}

func (m *smuggler) dial(over string) (net.Conn, error) {
	if over == "tls" {
		return tls.Dial("tcp", m.door.Secure, &tls.Config{ServerName: labHost, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	return net.Dial("tcp", m.door.Plain)
}

// write sends at once or in a few pieces, cut where the seed says.
func (m *smuggler) write(c net.Conn, raw string, pieces bool) error {
	for cuts := 3; pieces && cuts > 0 && len(raw) > 1; cuts-- {
		n := 1 + m.r.IntN(min(len(raw)-1, 400))
		if _, err := io.WriteString(c, raw[:n]); err != nil {
			return err
		}
		raw = raw[n:]
	}
	_, err := io.WriteString(c, raw)
	return err
}

// readStatuses reads answers until the connection ends; 100 Continue is none.
func readStatuses(in *bufio.Reader, head bool) (out []int, err error) {
	for {
		req := &http.Request{Method: http.MethodGet}
		if head && len(out) == 0 {
			req.Method = http.MethodHead
		}
		res, err := http.ReadResponse(in, req)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return out, err
		}
		if res.StatusCode >= 200 {
			out = append(out, res.StatusCode)
		}
	}
}
