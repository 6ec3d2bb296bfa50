package console

import (
	"strconv"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/web"
)

// mailTrouble tells of a mail server that takes no emails, on every page while it lasts.
type mailTrouble struct {
	Text          string // "The mail server takes no emails of Maison Lune"
	Since         *moment
	Words, Cure   string
	URL, RetryURL string // "" for whoever may not
}

// Refusals lists what concerns the websites that the administrator may see, for whoever may see emails. Where it cannot be read, the page
// goes without.
func (p page) Refusals() (shown []mailTrouble) {
	c := p.call
	if !c.may(admin.ViewLetters) {
		return nil
	}
	var all []mail.Refusal
	if err := c.read(func(tx *db.Tx) (err error) {
		all, err = mail.Refusals(c.r.Context(), tx)
		return err
	}); err != nil {
		c.Log.WarnContext(c.r.Context(), "refusals of the mail server", "error", web.Scrub(c.r, err))
		return nil
	}
	for _, one := range all {
		r := mailTrouble{Text: "The mail server " + one.Server + " takes no emails", Since: p.When(one.Since), Words: one.Words, Cure: one.Reason.Cure(), URL: lettersPath}
		if one.WebsiteID != mail.Everybody {
			if c.who.WebsiteID != 0 && c.who.WebsiteID != one.WebsiteID {
				continue
			}
			if w, ok := c.snap.Website(one.WebsiteID); ok {
				r.Text += " of " + w.Name
			}
		}
		if c.may(admin.ResendEmails) {
			r.RetryURL = lettersPath + "/retry"
		}
		shown = append(shown, r)
	}
	return shown
}

// retryLetters tries everything now that waits, and sends again what was refused where that was asked for.
func (c *call) retryLetters() error {
	form, err := web.Form(c.r, "what")
	if err != nil {
		return err
	}
	ended := form.Get("what") == "all"
	done, err := c.Recovery.ResendAll(c.r.Context(), c.permit, ended, c.origin())
	if err != nil {
		return err
	}
	notice := web.Notice{Key: "emails.tried_all"}
	if ended {
		notice = web.Notice{Key: "emails.resent_all", Args: map[string]string{"emails": strconv.FormatInt(done.Sent, 10)}}
	}
	return c.done(lettersPath, notice)
}

// retryLetter sends one email again, or tries it now.
func (c *call) retryLetter() error {
	id, err := db.ParseID(c.r.PathValue("id"))
	if err != nil {
		return fault.New(fault.NotFound, "letter.unknown", "There is no such letter.")
	}
	err = c.Recovery.Resend(c.r.Context(), c.permit, id, c.origin())
	notice := web.Notice{Key: "emails.resent"}
	if f, ok := fault.As(err); ok && f.Kind == fault.Conflict {
		notice = web.Notice{Key: f.Key, Bad: true}
	} else if err != nil {
		return err
	}
	return c.done(lettersPath+"/"+id.String(), notice)
}
