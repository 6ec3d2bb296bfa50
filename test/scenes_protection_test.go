package test

import (
	"net/http"
	"testing"
)

// protectionScenes are the forms of a website that asks for a proof of work, while the browser works and afterwards.
var protectionScenes = []scene{
	{"forgot-protected", func(st *stage, b *tab) {
		st.protected(b.t, "always", func() { b.visit(st.front + accounts + "forgotpassword") })
		script[any](b, onceWorked)
	}},
	{"sign-in-protected-working", func(st *stage, b *tab) {
		st.protected(b.t, "always", func() {
			st.set(b.t, "customer/protection/difficulty", "heavy")
			b.visit(st.front + accounts + "login")
			st.set(b.t, "customer/protection/difficulty", "normal")
		})
	}},
	{"forgot-protected-waiting", func(st *stage, b *tab) { // as without a script, or where the work cannot be done
		st.protected(b.t, "always", func() { b.visit(st.front + accounts + "forgotpassword") })
		script[any](b, onceWorked)
		script[any](b, `document.querySelector('.puzzle').className = 'puzzle puzzle-failed'; null`)
	}},
	{"forgot-protected-refused", func(st *stage, b *tab) {
		st.protected(b.t, "always", func() {
			b.visit(st.front + accounts + "forgotpassword")
			script[any](b, `document.getElementById('email').value = 'camille@example.com'`)
			script[any](b, sendAtOnce)
		})
		script[any](b, `new Promise(done => { const look = () => document.querySelector('.summary') ? done(true) : setTimeout(look, 50); look(); })`)
		script[any](b, onceWorked)
	}},
}

// underAttackScene is the console while a website is under attack: any page of it.
var underAttackScene = scene{"under-attack", func(st *stage, b *tab) {
	st.set(b.t, "customer/protection/max_resets", "2")
	st.protected(b.t, "auto", func() {
		for status := 0; status != http.StatusUnprocessableEntity; {
			b.visit(st.front + accounts + "forgotpassword")
			status = b.send("email", "somebody@example.com")
		}
		st.open(b, "/admin/customers")
	})
	st.set(b.t, "customer/protection/max_resets", "100")
}}

// protected shows something while the protection is in a mode; afterwards it is off, for the scenes that follow.
func (st *stage) protected(t *testing.T, mode string, show func()) {
	t.Helper()
	st.set(t, "customer/protection/mode", mode)
	show()
	st.set(t, "customer/protection/mode", "never")
}

func (st *stage) set(t *testing.T, path, value string) {
	t.Helper()
	st.rekey(t, "config", "set", path, value)
}
