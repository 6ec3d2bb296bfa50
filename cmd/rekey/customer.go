package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
)

type customerCommands struct {
	Create        customerCreate `cmd:"" help:"Make a customer's account."`
	Show          customerShow   `cmd:"" help:"Show a customer with their sessions, tokens and recovery timeline."`
	ResetPassword customerReset  `cmd:"" help:"Send a customer the store's letter with a link to a new password."`
	ForceSignIn   customerForce  `cmd:"" help:"Revoke every token of the web API that programs hold for a customer."`
	Unlock        customerUnlock `cmd:"" help:"End whatever keeps a customer out: the pause after too many wrong passwords, the holds after “It wasn't me”."`
	RemovePasskey customerTake   `cmd:"" help:"Remove a passkey of a customer's, who is told by letter."`
	ExportData    customerData   `cmd:"" help:"Write everything that is kept about a customer, as JSON: what they may ask for."`
	Erase         customerErase  `cmd:"" help:"Delete a customer's account and everything personal about them."`
	Import        customerImport `cmd:"" help:"Read customers from a CSV file."`
	Export        customerExport `cmd:"" help:"Write all customers as CSV."`
}

type customerCreate struct {
	place
	Website       string `required:"" placeholder:"CODE" help:"Website that the account belongs to."`
	StoreView     string `placeholder:"CODE" help:"Store view, for the language of letters; the default is the website's first."`
	Email         string `required:"" help:"E-mail address."`
	Firstname     string `required:"" help:"First name."`
	Lastname      string `required:"" help:"Last name."`
	EmailProven   bool   `default:"true" negatable:"" help:"The address is known to be the customer's; --no-email-proven where nobody has shown that yet."`
	PasswordStdin bool   `help:"Read a password from standard input; without one the customer sets it by letter."`
}

// Run makes the account.
func (c *customerCreate) Run(ctx context.Context, sh shell) error {
	var password secret.Text
	if c.PasswordStdin {
		var err error
		if password, err = sh.readPassword(); err != nil {
			return err
		}
	}
	return c.change(ctx, func(h *app.House) error {
		view, err := viewOf(ctx, h, c.Website, c.StoreView)
		if err != nil {
			return err
		}
		made, err := h.Customers.Add(ctx, view, customer.Registration{Firstname: c.Firstname, Lastname: c.Lastname, Email: c.Email,
			Password: password, Proven: c.EmailProven}, operator(admin.EditCustomers))
		if err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "Customer %d was created: %s, %s.\n", made.ID, made.Name(), made.Email)
		return nil
	})
}

// viewOf finds a website's store view, its first one when none is named.
func viewOf(ctx context.Context, h *app.House, website, view string) (*shop.View, error) {
	w, err := websiteNamed(ctx, h, website)
	if err != nil {
		return nil, err
	}
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return nil, err
	}
	views := stores.ViewsOf(w.ID)
	if len(views) == 0 {
		return nil, fmt.Errorf("website %s has no store view yet; make one with rekey store-view create --website %s", w.Code, w.Code)
	}
	var codes []string
	for _, v := range views {
		if v.Code == view || view == "" {
			return v, nil
		}
		codes = append(codes, v.Code)
	}
	return nil, fmt.Errorf("website %s has no store view %q; there are: %s", w.Code, view, list(codes))
}

// who are the flags that name one customer.
type who struct {
	Customer string `arg:"" name:"customer" help:"Number or e-mail address of the customer."`
	Website  string `placeholder:"CODE" help:"Website of the account, where the address has several."`
}

// find reads the customer that was named.
func (w who) find(ctx context.Context, h *app.House) (customer.Customer, error) {
	stores, err := h.Shop.Load(ctx)
	if err != nil {
		return customer.Customer{}, err
	}
	var found []customer.Customer
	err = h.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		sought := customer.ParseSought(w.Customer)
		if sought.ID != 0 {
			one, err := customer.Find(ctx, tx, sought.ID)
			if err != nil {
				return noSuch(err, w.Customer)
			}
			found = append(found, one)
			return nil
		}
		if sought.Address.IsZero() {
			_, err := customer.ParseAddress(w.Customer)
			return err
		}
		for _, site := range stores.Websites() {
			one, err := customer.FindByAddress(ctx, tx, site.ID, sought.Address)
			if err == nil {
				found = append(found, one)
			} else if !isMissing(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return customer.Customer{}, err
	}
	return w.choose(stores, found)
}

func (w who) choose(stores *shop.Snapshot, found []customer.Customer) (customer.Customer, error) {
	if w.Website != "" {
		if _, err := stores.ScopeOf(shop.Websites, w.Website); err != nil {
			return customer.Customer{}, err
		}
	}
	var codes []string
	var chosen []customer.Customer
	for _, c := range found {
		code := websiteCode(stores, c.WebsiteID)
		codes = append(codes, code)
		if w.Website == "" || w.Website == code {
			chosen = append(chosen, c)
		}
	}
	switch len(chosen) {
	case 1:
		return chosen[0], nil
	case 0:
		return customer.Customer{}, fmt.Errorf("there is no customer %s", w.Customer)
	}
	return customer.Customer{}, fmt.Errorf("%s has an account at each of %s; choose one with --website", w.Customer, strings.Join(codes, ", "))
}

type customerReset struct {
	place
	who
}

// Run queues the letter; a running server sends it.
func (c *customerReset) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if err := h.Recovery.Send(ctx, admin.CommandLine(admin.ResetPassword), one.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "A letter with a link to a new password is queued for %s.\n", one.Email)
		return nil
	})
}

type customerForce struct {
	place
	who
	listing
	Sessions bool `help:"Also end the customer's storefront sessions."`
}

// Run revokes the tokens.
func (c *customerForce) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		receipt, err := h.Tokens.Force(ctx, admin.CommandLine(admin.ForceSignIn), one.ID, c.Sessions, audit.Origin{})
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(map[string]int64{"tokens_revoked": receipt.Tokens, "sessions_ended": receipt.Sessions})
		}
		switch {
		case receipt.Tokens == 0:
			fmt.Fprintln(sh.out, "This customer has no tokens.")
		default:
			fmt.Fprintf(sh.out, "%s revoked.\n", count(receipt.Tokens, "token"))
		}
		if c.Sessions {
			fmt.Fprintf(sh.out, "%s ended.\n", count(receipt.Sessions, "storefront session"))
		}
		return nil
	})
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type customerUnlock struct {
	place
	who
}

// Run ends the pause and the holds.
func (c *customerUnlock) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		if err := h.SignIn.Unlock(ctx, admin.CommandLine(admin.UnlockCustomer), one.ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "%s can sign in again.\n", one.Email)
		return nil
	})
}

type customerTake struct {
	place
	who
	Passkey string `arg:"" help:"Name of the passkey, or its id (rekey customer show --json)."`
}

// Run removes the passkey.
func (c *customerTake) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		var all, meant []signin.Passkey
		err = h.DB.Read(ctx, func(tx *db.Tx) error { all, err = signin.Passkeys(ctx, tx, one.ID); return err })
		if err != nil {
			return err
		}
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
			if p.Name == c.Passkey || p.ID.String() == c.Passkey {
				meant = append(meant, p)
			}
		}
		switch {
		case len(all) == 0:
			return fmt.Errorf("%s has no passkeys", one.Email)
		case len(meant) == 0:
			return fmt.Errorf("%s has no passkey %q; there are: %s", one.Email, c.Passkey, list(names))
		case len(meant) > 1:
			return fmt.Errorf("%s has %d passkeys named %q; name one by its id, as rekey customer show --json gives it", one.Email, len(meant), c.Passkey)
		}
		if err := h.SignIn.TakePasskey(ctx, admin.CommandLine(admin.RemovePasskeys), one.ID, meant[0].ID, audit.Origin{}); err != nil {
			return err
		}
		fmt.Fprintf(sh.out, "The passkey %q was removed. %s is told by letter.\n", meant[0].Name, one.Email)
		return nil
	})
}

// noSuch names the customer that is not there.
func noSuch(err error, named string) error {
	if isMissing(err) {
		return errors.New("there is no customer " + named)
	}
	return err
}
