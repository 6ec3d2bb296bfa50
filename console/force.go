package console

import (
	"net/http"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/web"
)

// maxHolders is how many holders of tokens the dialog names.
const maxHolders = 5

// forceForm is the question that comes before Force Sign-In, as a dialog and as a page of its own.
type forceForm struct {
	URL      string // of the page, and of the act; "" when the administrator may not
	Back     string // where Cancel leads
	Key      string
	Name     string
	Tokens   int64
	Sessions int64
	Revokes  string // "2 tokens will be revoked: Till (1) and Mobile app (1)."
	AlsoEnd  string // the label of the box
}

func newForceForm(who customer.Customer, tokens []token.Token, sessions int64, list, key string) forceForm {
	f := forceForm{URL: customerURL(who.ID, "force-sign-in", list), Back: customerURL(who.ID, "", list), Key: key,
		Name: firstOf(who.Name(), who.Email), Tokens: int64(len(tokens)), Sessions: sessions}
	switch f.Tokens {
	case 0:
	case 1:
		f.Revokes = "1 token will be revoked, held by " + holders(tokens) + "."
	default:
		f.Revokes = counted(f.Tokens, "token") + " will be revoked, held by " + holders(tokens) + "."
	}
	if sessions > 0 {
		f.AlsoEnd = "Also end " + counted(sessions, "storefront session")
	}
	return f
}

// holders names who holds tokens, most first, each with the number where it is more than one.
func holders(tokens []token.Token) string {
	var order []string
	count := map[string]int64{}
	for _, t := range tokens {
		name := holderName(t)
		if count[name] == 0 {
			order = append(order, name)
		}
		count[name]++
	}
	var named []string
	for i, name := range order {
		if i == maxHolders {
			named = append(named, counted(int64(len(order)-maxHolders), "other"))
			break
		}
		if n := count[name]; n > 1 {
			name += " (" + thousands(n) + ")"
		}
		named = append(named, name)
	}
	return listed(named)
}

func holderName(t token.Token) string { return firstOf(t.Holder, "a program that gave no name") }

// forcePage is the question as a page, for browsers without script. It changes nothing.
func (c *call) forcePage() error {
	id, err := c.number()
	if err != nil {
		return err
	}
	var who customer.Customer
	var tokens []token.Token
	var sessions int64
	ctx := c.r.Context()
	err = c.read(func(tx *db.Tx) error {
		if who, err = customer.Reach(ctx, tx, c.permit.Covers, id); err != nil {
			return err
		}
		if tokens, err = token.ListOf(ctx, tx, id); err != nil {
			return err
		}
		sessions, err = signin.Count(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	list := listState(c.r)
	name := firstOf(who.Name(), who.Email)
	p := struct {
		page
		Force forceForm
	}{page: c.page("Force Sign-In", crumb{Text: "Customers"}, crumb{"All Customers", customersPath}, crumb{name, customerURL(id, "", list)})}
	p.Force = newForceForm(who, tokens, sessions, list, p.Key)
	return c.render(http.StatusOK, "force", p)
}

// force revokes the customer's tokens and, when asked, ends the storefront's sessions. Where there is nothing to revoke and
// nothing else was asked for, nothing is done.
func (c *call) force() error {
	id, err := c.number()
	if err != nil {
		return err
	}
	v, err := web.Form(c.r, "sessions")
	if err != nil {
		return err
	}
	ctx, back := c.r.Context(), customerURL(id, "", listState(c.r))
	asked := v.Get("sessions") == "on"
	r, err := c.Tokens.Force(ctx, c.permit, id, asked, c.origin())
	if err != nil {
		return err
	}
	if r.Tokens == 0 && !asked {
		return c.done(back, web.Notice{Key: "force.none"})
	}
	args := map[string]string{"tokens": itoa(r.Tokens), "sessions": itoa(r.Sessions)}
	if asked {
		args["asked"] = "on"
	}
	return c.done(back, web.Notice{Key: "force.done", Args: args})
}
