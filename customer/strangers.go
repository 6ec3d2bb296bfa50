package customer

import (
	"context"
	"strconv"
	"time"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

// asked says in the data of a letter that a visitor had it sent, not the store.
const asked = "asked_by"

// once counts a letter once, however often it is written until its link has expired.
var once = limit.Rule{Name: "email to a stranger", Max: 1, Window: 7 * 24 * time.Hour}

// AdmitStranger counts a letter, once, that a visitor has sent to an address that nobody has proven.
// Those of one client are counted where they are asked for; this counts all of a website, so that no crowd of clients makes the store
// write to the world. The worker counts, for nobody before it knows whether the address is proven: pages answer as ever. Errors:
// mail.NotNeeded beyond the limit.
func (s *Service) AdmitStranger(ctx context.Context, v *shop.View, letter mail.Letter) error {
	rule := limit.Rule{Name: "emails to strangers", Max: v.Int(shop.MaxEmailsToStrangers), Window: time.Hour}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		first, err := limit.Take(ctx, tx, once, letter.ID.String())
		if err != nil || !first.Allowed {
			return err
		}
		verdict, err := limit.Take(ctx, tx, rule, strconv.FormatInt(v.WebsiteID, 10))
		if err == nil && !verdict.Allowed {
			err = mail.NotNeeded("the website has sent as many emails to unproven addresses as " + shop.MaxEmailsToStrangers + " allows in an hour")
		}
		return err
	})
}
