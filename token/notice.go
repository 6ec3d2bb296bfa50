package token

import (
	"context"
	"slices"
	"strings"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/mail"
)

// RevokedLetter tells a customer that the store has revoked tokens of theirs. Recovery composes it.
const RevokedLetter = "tokens_revoked"

// maxNamed is how many holders the letter names.
const maxNamed = 5

// tell queues the notice in the transaction that revokes. It names who held the tokens: integrations and apps as the store calls
// them, programs in a few known words. It is on no limit, for there must have been a token, and it never hinders the revocation: in
// a store without any address yet it waits as other letters do.
func (s *Service) tell(ctx context.Context, tx *db.Tx, c customer.Customer, revoked []Token, sessions bool) error {
	snap, err := s.Shop.Load(ctx)
	if err != nil {
		return err
	}
	n := mail.Note{Kind: RevokedLetter, WebsiteID: c.WebsiteID, ViewID: c.ViewID, CustomerID: c.ID, Data: map[string]string{}}
	if v, ok := c.View(snap); ok {
		n.ViewID = v.ID
	}
	var names []string
	for _, t := range revoked {
		switch {
		case slices.Contains(names, t.Holder):
		case len(names) < maxNamed:
			names = append(names, t.Holder)
		default:
			n.Data["more"] = "1"
		}
	}
	n.Data["holders"] = strings.Join(names, "\n")
	if sessions {
		n.Data["sessions"] = "1"
	}
	_, err = mail.Enqueue(ctx, tx, n)
	return err
}
