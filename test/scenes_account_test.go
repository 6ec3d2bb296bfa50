package test

import "net/http"

// accountScenes are the pages by which customers keep their account in order.
var accountScenes = []scene{
	{"data", func(st *stage, b *tab) { st.prove(b, "data") }},
	{"delete", func(st *stage, b *tab) { st.prove(b, "delete") }},
	{"delete-refused", func(st *stage, b *tab) {
		st.prove(b, "delete")
		b.expect(http.StatusUnprocessableEntity, b.send("sure", ""))
	}},
}

// prove signs in and shows the password once more, on the way to a page.
func (st *stage) prove(b *tab, next string) {
	b.t.Helper()
	st.signIn(b)
	b.visit(st.front + accounts + next)
	b.expect(http.StatusOK, b.send("current_password", st.word))
}
