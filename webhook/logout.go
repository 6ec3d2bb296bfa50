package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// carryLogout is one try of telling an app that a customer's sign-in has ended (OpenID Connect Back-Channel Logout 1.0).
// It goes where webhooks go and not where they must not. 400 says that the app does not believe the token, and would not
// believe the next one (§2.8); everything else is tried again.
func (s *Service) carryLogout(ctx context.Context, snap *shop.Snapshot, l mail.Letter) (mail.Receipt, error) {
	if s.Key.IsZero() {
		return mail.Receipt{}, fault.New(fault.Conflict, "webhook.no_key", "Logout tokens are signed with the store's secret key, and there is none here.")
	}
	told, err := (&token.OAuth2{DB: s.DB, Key: s.Key}).Logout(ctx, snap, l.Data)
	if err != nil {
		return mail.Receipt{}, err
	}
	if told.To.Scheme != "https" && !s.Shop.AllowHTTP {
		return mail.Receipt{}, fault.New(fault.Conflict, "webhook.plain", "The app's address is plain http, which is for development only.")
	}
	body := url.Values{"logout_token": {told.Token.Reveal()}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, told.To.String(), strings.NewReader(body))
	if err != nil {
		return mail.Receipt{}, errors.New("the app's address cannot be read") // the error would quote it
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Rekey")
	status, err := s.send(r, s.Shop.Outbound(snap, shop.WebhookPrivateAddresses))
	if err != nil {
		return mail.Receipt{State: mail.Deferred, Words: err.Error(), Recipient: told.To.Host}, nil
	}
	receipt := mail.Receipt{State: mail.Deferred, Words: fmt.Sprintf("%d %s", status, http.StatusText(status)), Server: told.To.Host, Recipient: told.To.Host}
	switch status {
	case http.StatusOK, http.StatusNoContent:
		receipt.State = mail.HandedOver
	case http.StatusBadRequest:
		receipt.State = mail.Refused
	}
	return receipt, nil
}
