package storefront

import (
	"time"

	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/web"
)

// Fields of a protected form: the widget's own name, and the ticket of those who wait instead.
const (
	solutionField = "altcha"
	ticketField   = "ticket" // and the sealed question of a passkey, in its own form
)

// puzzleBox is what a form shows while the website is protected. Its scripts and styles are loaded with it only.
type puzzleBox struct {
	Challenge            string // "" where the work was done already
	Ticket               string
	Label, Working, Done string // of the widget
	Why, Wait            string // the way around, in words

	call *call
}

// Asset is the address of a style sheet or script.
func (b *puzzleBox) Asset(name string) string { return b.call.view.Path(b.call.assets.URL(name)) }

// guarded reads a form that may carry a proof.
func (c *call) guarded(fields ...string) (web.Values, error) {
	form, err := web.Form(c.r, append(fields, solutionField, ticketField)...)
	c.ticket = form.Get(ticketField)
	return form, err
}

// admit lets a form go on to what it asks for. Whose address is in it does not matter.
func (c *call) admit(form web.Values, what puzzle.Form) (err error) {
	c.proved, err = c.Puzzles.Admit(c.r.Context(), c.view, what,
		puzzle.Answer{Solution: form.Get(solutionField), Ticket: c.ticket}, c.origin())
	return err
}

// pose puts the puzzle into a form, if its website is protected now.
func (c *call) pose(f *form) error {
	if f.Guards == "" {
		return nil
	}
	ctx := c.r.Context()
	posed, err := c.Puzzles.Pose(ctx, c.view, f.Guards, c.ticket)
	if err == nil && posed != nil && c.proved && c.mending {
		posed, err = c.Puzzles.Owe(ctx, c.view, f.Guards)
	}
	if err != nil || posed == nil {
		return err
	}
	say := func(key string, args ...any) string { return c.L.T("storefront.puzzle."+key, args...) }
	f.Puzzle = &puzzleBox{Challenge: posed.Challenge, Ticket: posed.Ticket, Label: say("label"), Working: say("working"), Done: say("done"),
		Why: say("why"), Wait: say("wait", "Seconds", int((posed.Wait+time.Second-1)/time.Second)), call: c}
	return nil
}
