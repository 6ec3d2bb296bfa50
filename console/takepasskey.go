package console

import (
	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// customerPasskey is one passkey of a customer's, and the page that asks before it is removed; "" where that is not allowed.
type customerPasskey struct {
	signin.Passkey
	Remove string
}

func (c *call) passkeysOf(tx *db.Tx, customerID int64) (lines []customerPasskey, err error) {
	all, err := signin.Passkeys(c.r.Context(), tx, customerID)
	for _, p := range all {
		line := customerPasskey{Passkey: p}
		if c.may(admin.RemovePasskeys) {
			line.Remove = passkeyURL(customerID, p.ID, listState(c.r))
		}
		lines = append(lines, line)
	}
	return lines, err
}

func passkeyURL(customerID int64, id db.ID, list string) string {
	return customerURL(customerID, "passkeys/"+id.String()+"/remove", list)
}

// whose reads the customer and the passkey that the address names.
func (c *call) whose() (customerID int64, id db.ID, err error) {
	if customerID, err = c.number(); err != nil {
		return 0, id, err
	}
	if id, err = db.ParseID(c.r.PathValue("passkey")); err != nil {
		return 0, id, web.NoSuchPage()
	}
	return customerID, id, nil
}

// takePasskeyPage asks before a customer's passkey is removed. It changes nothing.
func (c *call) takePasskeyPage() error {
	customerID, id, err := c.whose()
	if err != nil {
		return err
	}
	var who customer.Customer
	var k signin.Passkey
	ctx := c.r.Context()
	err = c.read(func(tx *db.Tx) error {
		if who, err = customer.Reach(ctx, tx, c.permit.Covers, customerID); err != nil {
			return err
		}
		k, err = signin.FindPasskey(ctx, tx, customerID, id)
		return err
	})
	if err != nil {
		return err
	}
	list := listState(c.r)
	name, back := firstOf(who.Name(), who.Email), customerURL(customerID, "", list)
	p := formPage{page: c.page("Remove the Passkey?", crumb{Text: "Customers"}, crumb{"All Customers", customersPath}, crumb{name, back})}
	used := "not used yet"
	if !k.LastUsedAt.IsZero() {
		used = "last used " + c.lang.Ago(k.LastUsedAt, c.now())
	}
	p.Intro = "“" + k.Name + "” (" + k.Host + ", added " + p.When(k.CreatedAt).Day + ", " + used + ") will no longer sign " + name +
		" in. Browsers that are signed in stay signed in, and the password stays as it is. The customer is told by letter."
	p.Form = form{Action: passkeyURL(customerID, id, list), Submit: "Remove Passkey", Danger: true, Back: back}
	return c.show(p)
}

// takePasskey removes it. One that is gone already, by the customer's own hand or a second press, is what was asked for.
func (c *call) takePasskey() error {
	customerID, id, err := c.whose()
	if err != nil {
		return err
	}
	n := web.Notice{Key: "passkey.taken"}
	err = c.SignIn.TakePasskey(c.r.Context(), c.permit, customerID, id, c.origin())
	if f, ok := fault.As(err); ok && f.Key == signin.PasskeyGone {
		n.Key, err = "passkey.gone", nil
	}
	if err != nil {
		return err
	}
	return c.done(customerURL(customerID, "", listState(c.r)), n)
}
