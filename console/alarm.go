package console

import (
	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// alarm tells of a website that is under attack, on every page while it lasts.
type alarm struct {
	Much  string // "Unusually many password resets at Maison Lune"
	Since *moment
	URL   string // of what can be set about it, "" for whoever may not see that
}

var causes = map[puzzle.Cause]string{
	puzzle.Resets:   "password resets",
	puzzle.Accounts: "new accounts",
	puzzle.Failures: "failed sign-ins",
}

// Alarms lists those of the websites that the administrator may see. Where it cannot be read, the page goes without.
func (p page) Alarms() (shown []alarm) {
	c := p.call
	var all []puzzle.Alarm
	if err := c.read(func(tx *db.Tx) (err error) {
		all, err = puzzle.Alarms(c.r.Context(), tx)
		return err
	}); err != nil {
		c.Log.WarnContext(c.r.Context(), "alarms", "error", web.Scrub(c.r, err))
		return nil
	}
	for _, one := range all {
		w, ok := c.snap.Website(one.WebsiteID)
		if !ok || c.who.WebsiteID != 0 && c.who.WebsiteID != w.ID || w.Text(shop.ProtectionMode) == shop.ProtectionNever {
			continue
		}
		text := "Unusually many " + causes[one.Cause]
		if len(c.snap.Websites()) > 1 {
			text += " at " + w.Name
		}
		a := alarm{Much: text, Since: p.When(one.Since)}
		if c.may(admin.ViewSettings) {
			a.URL = configPath
		}
		shown = append(shown, a)
	}
	return shown
}
