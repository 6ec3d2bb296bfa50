package demo

import (
	"fmt"
	"io"
	"strings"

	"github.com/rekeyhq/rekey/app"
)

// announce writes what a visitor needs: where to look, who to be, what to try.
func announce(w io.Writer, at app.Addresses, data string) {
	base := bases(at)
	var b strings.Builder
	b.WriteString("\n  Rekey demo. Its passwords are known to everybody: not for a real store.\n\n")
	line := func(what, address, note string) { fmt.Fprintf(&b, "  %-18s  %-31s  %s\n", what, address, note) }
	line("Maison Lune", base[lune]+"/", "English")
	line("", base[lune]+"/fr", "français")
	line("Nordlicht Outdoor", base[nordlicht]+"/", "English")
	line("", base[nordlicht]+"/de", "Deutsch")
	line("Console", at.Console, "for the store's staff")
	line("Mailbox", at.Mailbox, "shows every letter that the stores send")

	b.WriteString("\n  Sign in as\n")
	store := map[string]string{lune: "Maison Lune", nordlicht: "Nordlicht Outdoor"}
	for _, p := range known() {
		fmt.Fprintf(&b, "    %-30s  %-17s  %s\n", p.email, p.password, store[p.website])
	}
	fmt.Fprintf(&b, "    %-30s  %-17s  %s\n", adminName, adminPassword, "Console")

	fmt.Fprintf(&b, `
  Try first
    1. At Maison Lune choose "Forgot Your Password?" and enter %s.
    2. Open the letter in the mailbox, follow its link and choose a new password.
    3. In the console, search for Camille: the timeline tells what happened. Try Reset Password and Force Sign-In.
    4. Ask for an address that nobody has: page and answer are the same. (One letter per address in ten minutes.)
    5. Nordlicht also signs in by letter: choose "Sign in with a code by email".

`, known()[0].email)
	if data == "" {
		b.WriteString("  Everything is in a temporary folder and goes when you press Ctrl-C.\n\n")
	} else {
		fmt.Fprintf(&b, "  Everything is kept in %s, with the passwords that you change. Ctrl-C stops the demo.\n\n", data)
	}
	io.WriteString(w, b.String()) // a closed terminal is no reason to stop
}
