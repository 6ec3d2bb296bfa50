package api

import (
	"strconv"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
)

// The letters that a program may ask for by Commerce's names. Both bring the same letter: the customer asked for it.
const (
	templateReminder = "email_reminder"
	templateReset    = "email_reset"
)

// requestReset answers true for every well-formed address.
func (c *call) requestReset() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	email, template := in.text("email"), in.text("template")
	website := c.chooseWebsite(in)
	if err := in.err(); err != nil {
		return nil, err
	}
	if website != nil {
		return nil, website
	}
	if template != templateReset && template != templateReminder {
		return nil, refuse(fault.Invalid, keyTemplate, "There is no such template.", map[string]any{
			"value": shown(template), "fieldName": "template", "template1": templateReminder, "template2": templateReset})
	}
	if _, err := c.unvouched(); err != nil {
		return nil, err
	}
	if err := c.Recovery.Request(c.r.Context(), c.view, email, c.origin()); err != nil {
		return nil, err
	}
	return true, nil
}

// checkLink tells whether a link works and is this customer's; it changes nothing about it. A number that is nobody's reads like
// a link that is nobody's.
func (c *call) checkLink() (any, error) {
	id := c.r.PathValue("customerId")
	customerID, err := strconv.ParseInt(id, 10, 64)
	if err != nil || customerID <= 0 {
		return nil, invalidValue("customerId", id)
	}
	link := secret.Mailed(c.r.PathValue("resetPasswordLinkToken"))
	pending, err := c.Recovery.Check(c.r.Context(), c.view, link, c.origin())
	if err != nil {
		return nil, err
	}
	if pending.CustomerID != customerID {
		return nil, fault.New(fault.Expired, "link.expired", "This link is another customer's.")
	}
	return true, nil
}

// resetPassword spends a link. The address must be the link's; an empty one leaves it to the link alone, as in Commerce.
func (c *call) resetPassword() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	email, given := in.optional("email")
	if !given {
		in.faults = append(in.faults, required("email"))
	}
	link, password := secret.Mailed(in.text("resetToken")), in.secret("newPassword")
	if err := in.err(); err != nil {
		return nil, err
	}
	_, err = c.Recovery.Complete(c.r.Context(), c.view,
		recovery.Reset{Link: link, Password: password, Confirm: password, Email: email}, c.origin())
	if err != nil {
		return nil, err
	}
	return true, nil
}

// changePassword replaces the password of whoever holds a token and knows the present one. The token that asks lives on;
// every other token and every session ends.
func (c *call) changePassword() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	current, password := in.secret("currentPassword"), in.secret("newPassword")
	if err := in.err(); err != nil {
		return nil, err
	}
	err = c.Recovery.ChangeByToken(c.r.Context(), c.view, c.bearer,
		recovery.Change{Current: current, Password: password, Confirm: password}, c.origin())
	if err != nil {
		return nil, err
	}
	return true, nil
}
