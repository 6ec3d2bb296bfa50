package api

import (
	"slices"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// createCustomer makes an account. A guest is answered as the setting customer/create_account/api_answer says: with the
// account, or with the refusal of a known address, as in Commerce; or, in the neutral way, with what was asked for, alike
// for everyone, and the letter does the rest. Administrators and integrations open the account at once.
func (c *call) createCustomer() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	given := in.object("customer")
	password, _ := in.optional("password")
	_, _ = in.optional("redirectUrl") // Commerce's letters lead there; here links come from the store's settings alone
	if err := in.err(); err != nil {
		return nil, err
	}
	staff, err := c.isStaff()
	if err != nil {
		return nil, err
	}
	said := given.changes()
	r := customer.Registration{Email: given.text("email"), Password: secret.NewText(password), Confirm: secret.NewText(password),
		Firstname: given.needed("firstname", said.Firstname), Lastname: given.needed("lastname", said.Lastname), WithoutPassword: true, Said: said}
	group, chosen := given.number("groupId")
	if staff {
		given.keeps(account{})
	}
	refusal := c.chooseStore(given, staff)
	given.refuseOthers(slices.Concat(personal, assigned, []string{"email"}))
	switch {
	case given.err() != nil:
		return nil, given.err()
	case !staff && chosen && group != 0 && group != customer.GeneralGroup:
		return nil, notGranted(admin.EditCustomers)
	case refusal != nil:
		return nil, refusal
	}
	if staff {
		return c.openAccount(r, group)
	}
	return c.register(r)
}

// isStaff tells whether an administrator or an integration with the right calls, and takes the permit. A token that is worth
// nothing makes a guest, as in Commerce.
func (c *call) isStaff() (bool, error) {
	err := c.authorize(admin.EditCustomers)
	if fault.Is(err, fault.Unauthenticated) && !c.signed() {
		return false, nil
	}
	return err == nil, err
}

// chooseStore finds the store view of a new account: the one that is named by store_id, the first of website_id, else the
// request's own.
func (c *call) chooseStore(given *fields, staff bool) error {
	websiteID, hasWebsite := given.number("websiteId")
	if hasWebsite && websiteID == 0 { // Commerce's word for none
		hasWebsite = false
	}
	if hasWebsite && websiteID != c.view.WebsiteID {
		views := c.stores.ViewsOf(websiteID)
		if len(views) == 0 || !staff && c.named {
			return noSuchEntity("websiteId", websiteID)
		}
		c.view = views[0]
	}
	if storeID, has := given.number("storeId"); has && storeID != 0 {
		v, ok := c.stores.View(storeID)
		if !ok || v.WebsiteID != c.view.WebsiteID && (hasWebsite || !staff) {
			return noSuchEntity("storeId", storeID)
		}
		c.view = v
	}
	if staff && !c.permit.Covers(c.view.WebsiteID) {
		return noSuchEntity("websiteId", c.view.WebsiteID)
	}
	return nil
}

func (c *call) openAccount(r customer.Registration, group int64) (any, error) {
	if group != 0 {
		r.Said.GroupID = &group
	}
	made, err := c.Customers.OpenAs(c.r.Context(), c.permit, c.view, r, c.origin())
	if err != nil {
		return nil, unknownAddress(err)
	}
	return c.accountOf(made)
}

func (c *call) register(r customer.Registration) (any, error) {
	if _, err := c.unvouched(); err != nil {
		return nil, err
	}
	r.Answer = c.view.Text(shop.RegistrationAnswerAPI)
	receipt, err := c.Customers.Register(c.r.Context(), c.view, r, c.origin())
	if err != nil {
		return nil, unknownAddress(err)
	}
	if receipt.Created {
		return c.accountOf(receipt.Customer)
	}
	return c.asked(r), nil
}

// asked is the answer before the letter is answered: nothing but what was sent, for there is no account, or no telling.
func (c *call) asked(r customer.Registration) account {
	said := account{GroupID: customer.GeneralGroup, Email: r.Email, Firstname: r.Firstname, Lastname: r.Lastname, StoreID: c.view.ID,
		WebsiteID: c.view.WebsiteID, CreatedIn: c.view.Name, Addresses: []postal{}, CustomAttributes: attributes(r.Said.Custom)}
	for _, one := range []struct{ to, from *string }{{&said.Prefix, r.Said.Prefix}, {&said.Middlename, r.Said.Middlename},
		{&said.Suffix, r.Said.Suffix}, {&said.DateOfBirth, r.Said.DateOfBirth}, {&said.TaxVat, r.Said.TaxVat}} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	if r.Said.Gender != nil {
		said.Gender = *r.Said.Gender
	}
	if r.Said.Subscribed != nil {
		said.ExtensionAttributes.IsSubscribed = *r.Said.Subscribed
	}
	return said
}

// confirmationMismatched is the one refusal of a confirmation key that is unknown, used, old, another address's or another website's.
func confirmationMismatched() error {
	return fault.New(fault.Expired, "confirmation.mismatched", "The confirmation token is invalid. Verify the token and try again.")
}

// activateMe finishes the registration whose letter brought the key. Where a password was chosen then, it must be given again:
// whoever reads the letter need not be who began. In Commerce this wants a token, which nobody has before.
func (c *call) activateMe() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	key := secret.Mailed(in.text("confirmationKey"))
	password, _ := in.optional("password")
	if err := in.err(); err != nil {
		return nil, err
	}
	made, err := c.Customers.FinishRegistration(c.r.Context(), c.view, key, secret.Text{}, secret.NewText(password), c.origin())
	if fault.Is(err, fault.Expired) {
		return nil, confirmationMismatched()
	}
	if err != nil {
		return nil, err
	}
	return c.accountOf(made)
}

// activate finishes the registration of an address by the store's hand.
func (c *call) activate() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	key := secret.Mailed(in.text("confirmationKey"))
	if err := in.err(); err != nil {
		return nil, err
	}
	made, err := c.Customers.Activate(c.r.Context(), c.permit, c.r.PathValue("email"), key, c.origin())
	if fault.Is(err, fault.Expired) {
		return nil, confirmationMismatched()
	}
	if err != nil {
		return nil, err
	}
	return c.accountOf(made)
}
