package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/outbound"
)

// answerLimit is how long a receiver may take. Receivers are asked to answer first and work afterwards; one that does not answer
// holds a worker for that long.
const answerLimit = 15 * time.Second

// sign makes the value of webhook-signature: symmetric, version 1 (Standard Webhooks, "Verifying webhook authenticity").
func sign(key []byte, id string, at time.Time, body string) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// messageID is the webhook-id: of the event, so that a receiver knows one that it has had, after a retry or a replay.
func messageID(event db.ID) string { return "msg_" + event.String() }

// post sends a body and returns the status of the answer. Errors name neither the path nor the query of the URL, which may
// hold a secret of the receiver's.
func (s *Service) post(ctx context.Context, rules outbound.Rules, d Delivery, at time.Time) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader([]byte(d.Body)))
	if err != nil {
		return 0, errors.New("the address cannot be read")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Rekey")
	r.Header.Set("Webhook-Id", messageID(d.EventID))
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", sign(signingKey(s.Key, d.WebhookID, d.sealed), messageID(d.EventID), at, d.Body))
	return s.send(r, rules)
}

// send is one request to whatever a store view has been told to call, and the status of its answer.
func (s *Service) send(r *http.Request, rules outbound.Rules) (status int, err error) {
	answer, err := rules.Client(answerLimit, s.RootCAs).Do(r)
	var refused *outbound.Refused
	var wrapped *url.Error
	switch {
	case errors.As(err, &refused):
		return 0, refused
	case errors.As(err, &wrapped):
		return 0, wrapped.Err
	case err != nil:
		return 0, err
	}
	answer.Body.Close() // unread: what a receiver says beyond its status is nothing that a page should show
	return answer.StatusCode, nil
}
