package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/app"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
)

type customerShow struct {
	place
	who
	listing
}

// Run shows the customer.
func (c *customerShow) Run(ctx context.Context, sh shell) error {
	return c.read(ctx, func(h *app.House) error {
		one, err := c.find(ctx, h)
		if err != nil {
			return err
		}
		row, err := h.Recovery.Describe(ctx, one)
		if err != nil {
			return err
		}
		if c.JSON {
			return sh.writeJSON(row)
		}
		return printAccount(sh, row)
	})
}

func printAccount(sh shell, r recovery.Account) error {
	t := newTable(sh.out)
	t.row("Number", strconv.FormatInt(r.ID, 10))
	t.row("Name", r.Firstname+" "+r.Lastname)
	t.row("Email", r.Email)
	if r.PendingEmail != "" {
		t.row("To become", r.PendingEmail+", once the email sent there is answered")
	}
	t.row("Website", r.Website+" / "+r.StoreView)
	t.row("Customer since", at(r.CreatedAt))
	t.row("Last sign-in", at(r.LastSignInAt))
	t.row("Confirmed", yesNo(r.Confirmed))
	t.row("Address proven", yesNo(r.ProvenAt != nil)+" "+at(r.ProvenAt))
	t.row("Active", yesNo(r.Active))
	t.row("Password", passwordWords(r))
	t.row("Locked", yesNo(r.Locked)+" "+at(r.LockedUntil))
	if r.ResetsHeldUntil != nil {
		t.row("Resets on hold", "until "+at(r.ResetsHeldUntil)+"; rekey customer unlock ends it")
	}
	if r.ChangesHeldUntil != nil {
		t.row("Address kept", "until "+at(r.ChangesHeldUntil)+", and no new passkeys; rekey customer unlock ends it")
	}
	t.row("Next reset", nextWords(r))
	if err := t.end(); err != nil {
		return err
	}
	if len(r.Sessions) > 0 {
		fmt.Fprintln(sh.out, "\nSessions")
		t := newTable(sh.out)
		for _, s := range r.Sessions {
			t.row("  "+at(s.LastSeenAt), s.Browser, s.Place)
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Tokens) > 0 {
		fmt.Fprintln(sh.out, "\nTokens")
		t := newTable(sh.out)
		for _, k := range r.Tokens {
			t.row("  "+at(k.CreatedAt), k.Holder, "until "+at(k.ExpiresAt))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Passkeys) > 0 {
		fmt.Fprintln(sh.out, "\nPasskeys")
		t := newTable(sh.out)
		for _, p := range r.Passkeys {
			t.row("  "+at(p.CreatedAt), p.Name, p.Host, "used "+at(p.LastUsedAt))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Timeline) == 0 {
		return nil
	}
	fmt.Fprintln(sh.out, "\nTimeline")
	t = newTable(sh.out)
	for _, s := range r.Timeline {
		t.row("  "+at(s.At), s.Kind, strings.TrimSpace(s.Letter+" "+s.Words), strings.TrimSpace(s.Browser+" "+s.Place))
	}
	return t.end()
}

func at(t *time.Time) string {
	if t == nil {
		return ""
	}
	return clock(*t)
}

func passwordWords(r recovery.Account) string {
	if !r.HasPassword {
		return "none yet"
	}
	return "set " + at(r.PasswordChangedAt)
}

func nextWords(r recovery.Account) string {
	switch {
	case r.ResetRefused != "":
		return r.ResetRefused
	case r.NextResetAt == nil:
		return "now"
	}
	return at(r.NextResetAt)
}

func isMissing(err error) bool { return fault.Is(err, fault.NotFound) }
