package puzzle

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/shop"
)

// Field is what a refusal is about: nothing that was typed.
const Field = "puzzle"

// Posed is what a form carries while its website is protected.
type Posed struct {
	Challenge string        // ALTCHA's, as JSON; "" where the work was done already
	Ticket    string        // the way around
	Wait      time.Duration // until the ticket is good
}

// Answer is what came back with a form.
type Answer struct {
	Solution string // the widget's
	Ticket   string
}

// Pose gives a form its puzzle, nil when the website is not protected. A ticket that came with the form is kept while it
// can still become good, so that whoever sends too early does not begin to wait anew.
func (s *Service) Pose(ctx context.Context, v *shop.View, f Form, came string) (*Posed, error) {
	now, on, err := s.protected(ctx, v)
	if err != nil || !on {
		return nil, err
	}
	p := &Posed{Ticket: came}
	t, ok := s.read(v, f, came, now)
	if !ok || !t.from.After(now) { // what was good has been tried: it is spent
		t = ticket{id: db.NewID(), from: now.Add(v.Duration(shop.ProtectionWait))}
		p.Ticket = s.write(v, f, t)
	}
	p.Wait = t.from.Sub(now)
	p.Challenge, err = s.pose(v, f, now)
	return p, err
}

// Owe is what a form carries when its proof was good and something else was to be mended: the work is not asked for twice.
func (s *Service) Owe(ctx context.Context, v *shop.View, f Form) (*Posed, error) {
	now, err := s.now(ctx)
	if err != nil {
		return nil, err
	}
	return &Posed{Ticket: s.write(v, f, ticket{id: db.NewID(), from: now, paid: true})}, nil
}

// Admit lets a form in: always while the website is not protected, else for a good answer, which is spent with it. It tells
// whether there was one. Errors: fault Invalid on Field, with the seconds left to wait; fault Limited for a client that
// waited too often.
func (s *Service) Admit(ctx context.Context, v *shop.View, f Form, a Answer, o audit.Origin) (proved bool, err error) {
	now, on, err := s.watch(ctx, v)
	if err != nil || !on {
		return false, err
	}
	wait := v.Duration(shop.ProtectionWait)
	token, ok := s.proof(v, f, a.Solution, now)
	if !ok {
		var t ticket
		if t, ok = s.read(v, f, a.Ticket, now); ok && t.from.After(now) {
			ok, wait = false, t.from.Sub(now)
		}
		token = t.token()
	}
	if ok {
		if proved, err = s.use(ctx, v, token, o); err != nil || proved {
			return proved, err
		}
	}
	if err := s.press(ctx, v); err != nil {
		return false, err
	}
	return false, fault.Refuse(Field, "puzzle.unproven",
		"Unusually many requests arrive at the moment. Please wait until your browser has been checked, or for the time that is given, and send the form once more.",
		map[string]any{"Seconds": int((wait + time.Second - 1) / time.Second)})
}

// use spends a token in one transaction with the count of its client.
func (s *Service) use(ctx context.Context, v *shop.View, t token, o audit.Origin) (won bool, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		if won, err = spend(ctx, tx, t); err != nil || !won || !t.waited {
			return err
		}
		return demand(ctx, tx, v, o) // undoes the spending
	})
	return won && err == nil, err
}

// waits limits what one client gets without work while the website is protected.
func waits(v *shop.View) limit.Rule {
	return limit.Rule{Name: "without a proof " + v.Website.Code, Max: v.Int(shop.ProtectionWaits), Window: time.Hour}
}

func demand(ctx context.Context, tx *db.Tx, v *shop.View, o audit.Origin) error {
	verdict, err := limit.TakeClient(ctx, tx, waits(v), o.IP)
	if err == nil && !verdict.Allowed {
		err = fault.Until("limit.unproven",
			"Too many requests came from your network without a proof of work. Please wait and try again later.", verdict.NextAt)
	}
	return err
}

// AdmitProgram is Admit for calls of the web API that nobody vouches for, where the store wants them strict: no program can
// show the widget, so that each counts as a form that waited. It tells whether it was counted. Errors: fault Limited.
func (s *Service) AdmitProgram(ctx context.Context, v *shop.View, o audit.Origin) (counted bool, err error) {
	_, on, err := s.watch(ctx, v)
	if err != nil || !on {
		return false, err
	}
	err = s.DB.Write(ctx, func(tx *db.Tx) error { return demand(ctx, tx, v, o) })
	return err == nil, err
}

// Vouched gives a counted call back: it knew the right password, so that it was no guess.
func (s *Service) Vouched(ctx context.Context, v *shop.View, o audit.Origin) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error { return limit.RefundClient(ctx, tx, waits(v), o.IP) })
}

func (s *Service) now(ctx context.Context) (now time.Time, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		now, err = tx.Now(ctx)
		return err
	})
	return now, err
}
