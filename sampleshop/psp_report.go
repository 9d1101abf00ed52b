package sampleshop

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const reportQueue = 1024

// tell queues a report. When the queue is full the report is lost, as a real
// provider gives up on a shop that does not answer for long.
func (v *provider) tell(rep report) {
	select {
	case v.reports <- rep:
	default:
	}
}

const signatureHeader = "X-PSP-Signature"

// send delivers reports until ctx ends, each up to four times.
func (v *provider) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case rep := <-v.reports:
			for _, wait := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second, 10 * time.Second} {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
				if v.post(ctx, rep) == nil {
					break
				}
			}
		}
	}
}

func (v *provider) post(ctx context.Context, rep report) error {
	body, err := json.Marshal(rep)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.callback, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("User-Agent", "MihonPay/1.0 (model payment provider)")
	req.Header.Set(signatureHeader, v.sign(body, v.now()))
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("report answered %d", resp.StatusCode)
	}
	return nil
}

func (v *provider) sign(body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(v.mac(t, body))
}

func (v *provider) mac(t string, body []byte) []byte {
	m := hmac.New(sha256.New, v.secret)
	m.Write([]byte(t + "."))
	m.Write(body)
	return m.Sum(nil)
}

// signed reports whether a report is the provider's own and fresh.
func (v *provider) signed(header string, body []byte, now time.Time) bool {
	t, sig, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	unix, err := strconv.ParseInt(t, 10, 64)
	if !ok || err != nil || now.Sub(time.Unix(unix, 0)).Abs() > signatureAge {
		return false
	}
	got, err := hex.DecodeString(sig)
	return err == nil && hmac.Equal(got, v.mac(t, body))
}
