package api

import (
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
)

// living is one token, as its list shows it: everything but the secret.
type living struct {
	ID         string  `json:"id"`
	Kind       string  `json:"kind"`
	Holder     string  `json:"holder"`
	CreatedAt  string  `json:"created_at"`
	ExpiresAt  *string `json:"expires_at"`
	LastUsedAt *string `json:"last_used_at"`
	Place      string  `json:"place"`
}

func (c *call) listTokens() (any, error) {
	tokens, err := c.Tokens.ListFor(c.r.Context(), c.permit, c.customerID())
	if err != nil {
		return nil, c.orNobody(err)
	}
	list := make([]living, len(tokens))
	for i, t := range tokens {
		list[i] = living{t.ID.String(), t.Kind, t.Holder, t.CreatedAt.UTC().Format(dateTime), dateOrNull(t.ExpiresAt), dateOrNull(t.LastUsedAt), t.Place}
	}
	return list, nil
}

func dateOrNull(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := at.UTC().Format(dateTime)
	return &text
}

type receipt struct {
	Tokens   int64 `json:"tokens"`
	Sessions int64 `json:"sessions"`
}

// forceSignIn is Force Sign-In: every token of the customer ends, and with ?sessions=true every session too.
func (c *call) forceSignIn() (any, error) {
	sessions, err := c.option("sessions")
	if err != nil {
		return nil, err
	}
	ended, err := c.Tokens.Force(c.r.Context(), c.permit, c.customerID(), sessions, c.origin())
	if err != nil {
		return nil, c.orNobody(err)
	}
	return receipt{ended.Tokens, ended.Sessions}, nil
}

// revokeToken ends one token, and what was made from the same grant.
func (c *call) revokeToken() (any, error) {
	given := c.r.PathValue("tokenId")
	id, err := db.ParseID(given)
	if err != nil {
		return nil, noSuchEntity("tokenId", shown(given))
	}
	err = c.Tokens.RevokeOne(c.r.Context(), c.permit, c.customerID(), id, c.origin())
	if fault.Is(err, fault.NotFound) { // nobody's, another customer's and another website's alike
		return nil, noSuchEntity("tokenId", given)
	}
	return true, err
}

// sendReset is the store's Reset Password: the letter goes to the customer, and the answer does not hold the link.
func (c *call) sendReset() (any, error) {
	if err := c.Recovery.Send(c.r.Context(), c.permit, c.customerID(), c.origin()); err != nil {
		return nil, c.orNobody(err)
	}
	return true, nil
}

func (c *call) unlock() (any, error) {
	if err := c.Tokens.SignIn.Unlock(c.r.Context(), c.permit, c.customerID(), c.origin()); err != nil {
		return nil, c.orNobody(err)
	}
	return true, nil
}
