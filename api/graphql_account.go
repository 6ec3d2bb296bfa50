package api

import (
	"context"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// graphRoot answers the fields of Query and Mutation: each reads its arguments, asks one use case and renders.
type graphRoot struct{}

// Commerce's texts that several operations share.
const (
	noAddress      = "You must specify an email address."
	invalidAddress = "The email address has an invalid format."
)

// GenerateCustomerToken is the API's sign-in.
func (graphRoot) GenerateCustomerToken(ctx context.Context, args struct{ Email, Password string }) (*struct{ Token *string }, error) {
	c := asked(ctx)
	switch {
	case args.Email == "":
		return nil, graphRefuse(`Specify the "email" value.`)
	case args.Password == "":
		return nil, graphRefuse(`Specify the "password" value.`)
	}
	made, err := c.signInCustomer(args.Email, secret.NewText(args.Password))
	if err != nil {
		return nil, err
	}
	text := made.Reveal()
	return &struct{ Token *string }{&text}, nil
}

// RevokeCustomerToken ends all tokens of the customer who asks.
func (graphRoot) RevokeCustomerToken(ctx context.Context) (*struct{ Result bool }, error) {
	c, _, err := self(ctx, "")
	if err != nil {
		return nil, err
	}
	_, err = c.Tokens.RevokeOwn(ctx, c.bearer, c.origin())
	return &struct{ Result bool }{err == nil}, err
}

// RequestPasswordResetEmail answers true for every well-formed address: Commerce's false tells who is no customer.
func (graphRoot) RequestPasswordResetEmail(ctx context.Context, args struct{ Email string }) (*bool, error) {
	c := asked(ctx)
	if _, err := c.unvouched(); err != nil {
		return nil, err
	}
	err := c.Recovery.Request(ctx, c.view, args.Email, c.origin())
	return done(reword(err, map[string]string{"email.required": noAddress, "email.malformed": invalidAddress, "email.too_long": invalidAddress}))
}

// ResetPassword spends the link of a letter. The address must be the link's.
func (graphRoot) ResetPassword(ctx context.Context, args struct{ Email, ResetPasswordToken, NewPassword string }) (*bool, error) {
	c := asked(ctx)
	_, badAddress := customer.ParseAddress(args.Email)
	switch {
	case args.Email == "":
		return nil, graphRefuse(noAddress)
	case badAddress != nil:
		return nil, graphRefuse(invalidAddress)
	case args.ResetPasswordToken == "":
		return nil, graphRefuse("resetPasswordToken must be specified")
	case args.NewPassword == "":
		return nil, graphRefuse("newPassword must be specified")
	}
	password := secret.NewText(args.NewPassword)
	_, err := c.Recovery.Complete(ctx, c.view, recovery.Reset{Link: secret.Mailed(args.ResetPasswordToken),
		Password: password, Confirm: password, Email: args.Email}, c.origin())
	return done(err)
}

// ChangeCustomerPassword replaces the password of whoever knows the present one.
func (graphRoot) ChangeCustomerPassword(ctx context.Context, args struct{ CurrentPassword, NewPassword string }) (*graphCustomer, error) {
	c, _, err := self(ctx, "")
	switch {
	case err != nil:
		return nil, err
	case args.CurrentPassword == "":
		return nil, graphRefuse(`Specify the "currentPassword" value.`)
	case args.NewPassword == "":
		return nil, graphRefuse(`Specify the "newPassword" value.`)
	}
	password := secret.NewText(args.NewPassword)
	err = c.Recovery.ChangeByToken(ctx, c.view, c.bearer,
		recovery.Change{Current: secret.NewText(args.CurrentPassword), Password: password, Confirm: password}, c.origin())
	if err != nil {
		return nil, err
	}
	owner, err := c.owner()
	return graphCustomerOf(c, owner), err
}

// Customer is the customer who asks.
func (graphRoot) Customer(ctx context.Context) (*graphCustomer, error) {
	c, owner, err := self(ctx, token.ReadAccount)
	if err != nil {
		return nil, err
	}
	return graphCustomerOf(c, owner), nil
}

// IsEmailAvailable is true for everybody, as in Commerce since 2.4.7.
func (graphRoot) IsEmailAvailable(args struct{ Email string }) (*struct{ IsEmailAvailable *bool }, error) {
	_, err := customer.ParseAddress(args.Email)
	yes, err := done(reword(err, map[string]string{"email.required": "Email must be specified", "email.malformed": "Email is invalid", "email.too_long": "Email is invalid"}))
	return &struct{ IsEmailAvailable *bool }{yes}, err
}

// CreateCustomer is CreateCustomerV2 by an older name.
func (r graphRoot) CreateCustomer(ctx context.Context, args struct{ Input graphPerson }) (*graphOutput, error) {
	return r.CreateCustomerV2(ctx, args)
}

// CreateCustomerV2 makes an account. Where the store answers neutrally, or wants the address confirmed first, a letter follows, and
// the answer holds what was typed.
func (graphRoot) CreateCustomerV2(ctx context.Context, args struct{ Input graphPerson }) (*graphOutput, error) {
	c := asked(ctx)
	said, err := args.Input.changes()
	if err != nil {
		return nil, err
	}
	said.Firstname, said.Lastname = nil, nil // they are the registration's own
	in, password := args.Input, secretOf(args.Input.Password)
	email := text(in.Email)
	receipt, err := c.Customers.Register(ctx, c.view, customer.Registration{Firstname: text(in.Firstname), Lastname: text(in.Lastname),
		Email: email, Password: password, Confirm: password, Said: said,
		Answer: c.view.Text(shop.RegistrationAnswerAPI), WithoutPassword: true}, c.origin())
	if err != nil {
		return nil, reword(err, map[string]string{"email.malformed": notAnAddress(email)})
	}
	if receipt.Created {
		return &graphOutput{graphCustomerOf(c, receipt.Customer)}, nil
	}
	return &graphOutput{&graphCustomer{Email: &email, Firstname: in.Firstname.Value, Lastname: in.Lastname.Value, ConfirmationStatus: confirmationNeeded}}, nil
}

// UpdateCustomer is UpdateCustomerV2 by an older name, whose input has the address and the password as well.
func (r graphRoot) UpdateCustomer(ctx context.Context, args struct{ Input graphPerson }) (*graphOutput, error) {
	c, owner, err := self(ctx, token.WriteAccount)
	if err != nil {
		return nil, err
	}
	if email := args.Input.Email.Value; email != nil && !sameAddress(*email, owner) {
		if err := c.granted(""); err != nil {
			return nil, err
		}
		if text(args.Input.Password) == "" {
			return nil, graphRefuse(`Provide the current "password" to change "email".`)
		}
		if err := c.changeEmail(ctx, owner, *email, secretOf(args.Input.Password)); err != nil {
			return nil, err
		}
	}
	return r.UpdateCustomerV2(ctx, args)
}

// UpdateCustomerEmail begins to move the account to another address. The customer in the answer still has the present one: the
// other becomes it when its owner has answered the letter there.
func (graphRoot) UpdateCustomerEmail(ctx context.Context, args struct{ Email, Password string }) (*graphOutput, error) {
	c, owner, err := self(ctx, "")
	if err != nil {
		return nil, err
	}
	err = c.changeEmail(ctx, owner, args.Email, secret.NewText(args.Password))
	return &graphOutput{graphCustomerOf(c, owner)}, err
}

func (c *call) changeEmail(ctx context.Context, owner customer.Customer, email string, password secret.Text) error {
	return reword(c.Recovery.ChangeEmail(ctx, c.view, owner, email, password, c.origin()),
		map[string]string{"email.malformed": notAnAddress(email), "email.too_long": notAnAddress(email)})
}

// notAnAddress repeats what was typed, as Commerce does.
func notAnAddress(email string) string { return `"` + shown(email) + `" is not a valid email address.` }

func sameAddress(email string, owner customer.Customer) bool {
	a, err := customer.ParseAddress(email)
	return err == nil && a.Canonical() == owner.Address().Canonical()
}

// UpdateCustomerV2 changes what the input says.
func (graphRoot) UpdateCustomerV2(ctx context.Context, args struct{ Input graphPerson }) (*graphOutput, error) {
	c, owner, err := self(ctx, token.WriteAccount)
	if err != nil {
		return nil, err
	}
	changes, err := args.Input.changes()
	if err != nil {
		return nil, err
	}
	owner, err = c.Customers.Update(ctx, owner, changes, c.origin())
	return &graphOutput{graphCustomerOf(c, owner)}, err
}

// DeleteCustomer deletes the account of the customer who asks.
func (graphRoot) DeleteCustomer(ctx context.Context) (*bool, error) {
	c, owner, err := self(ctx, "")
	if err != nil {
		return nil, err
	}
	return done(c.Customers.DeleteOwn(ctx, c.view, owner, c.origin(), nil))
}

// ConfirmEmail finishes an account that was begun by letter. Every reason why it cannot be is one text.
func (graphRoot) ConfirmEmail(ctx context.Context, args struct {
	Input struct {
		Email, ConfirmationKey string
		Password               *string
	}
}) (*graphOutput, error) {
	c, in := asked(ctx), args.Input
	address, err := customer.ParseAddress(in.Email)
	if err != nil {
		return nil, graphRefuse("Email is invalid")
	}
	key, nobody := secret.Mailed(in.ConfirmationKey), secret.Text{}
	invalid := map[string]string{"link.expired": "The confirmation token is invalid. Verify the token and try again."}
	pending, err := c.Customers.PendingRegistration(ctx, c.view, key, nobody)
	if err != nil {
		return nil, reword(err, invalid)
	}
	if typed, err := customer.ParseAddress(pending.Email); err != nil || typed.Canonical() != address.Canonical() {
		return nil, reword(fault.New(fault.Expired, "link.expired", ""), invalid)
	}
	password := secret.Text{}
	if in.Password != nil {
		password = secret.NewText(*in.Password)
	}
	if pending.NeedsPassword && password.IsEmpty() {
		return nil, graphRefuse("Enter the password that was chosen for the new account, as input.password.")
	}
	made, err := c.Customers.FinishRegistration(ctx, c.view, key, nobody, password, c.origin())
	if err != nil {
		return nil, reword(err, invalid)
	}
	return &graphOutput{graphCustomerOf(c, made)}, nil
}

// ResendConfirmationEmail answers true for every well-formed address.
func (graphRoot) ResendConfirmationEmail(ctx context.Context, args struct{ Email string }) (*bool, error) {
	c := asked(ctx)
	err := c.Customers.AskConfirmation(ctx, c.view, args.Email, c.origin())
	return done(reword(err, map[string]string{"email.required": "Email address is not valid", "email.malformed": "Email address is not valid",
		"email.too_long": "Email address is not valid"}))
}

func done(err error) (*bool, error) {
	if err != nil {
		return nil, err
	}
	yes := true
	return &yes, nil
}
