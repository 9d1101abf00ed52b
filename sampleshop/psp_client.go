package sampleshop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const pspTimeout = 5 * time.Second

// pspClient is the shop's side of the payment provider's API, over HTTP like
// any other shop's.
type pspClient struct {
	base, key string
	http      *http.Client
}

func newPSPClient(base, key string) *pspClient {
	return &pspClient{base: base, key: key, http: &http.Client{Timeout: pspTimeout}}
}

// open makes a card page and returns its address.
func (c *pspClient) open(ctx context.Context, s cardSession) (string, error) {
	var answer struct {
		Path string `json:"path"`
	}
	err := c.call(ctx, http.MethodPost, "/api/sessions", s, &answer)
	return c.base + answer.Path, err
}

func (c *pspClient) card(ctx context.Context, token string) (cardInfo, error) {
	var info cardInfo
	err := c.call(ctx, http.MethodGet, "/api/tokens/"+url.PathEscape(token), nil, &info)
	return info, err
}

func (c *pspClient) charge(ctx context.Context, r chargeRequest) (chargeAnswer, error) {
	var a chargeAnswer
	err := c.call(ctx, http.MethodPost, "/api/charges", r, &a)
	return a, err
}

func (c *pspClient) cancel(ctx context.Context, charge string) error {
	return c.call(ctx, http.MethodDelete, "/api/charges/"+url.PathEscape(charge), nil, &struct{}{})
}

func (c *pspClient) slip(ctx context.Context, r slipRequest) (string, error) {
	var answer struct {
		Slip string `json:"slip"`
	}
	err := c.call(ctx, http.MethodPost, "/api/slips", r, &answer)
	return answer.Slip, err
}

func (c *pspClient) call(ctx context.Context, method, path string, in, out any) error {
	body := []byte(nil)
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("call the payment provider: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errNotFound
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("payment provider answered %d to %s", resp.StatusCode, method)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(out); err != nil {
		return fmt.Errorf("read the payment provider's answer: %w", err)
	}
	return nil
}
